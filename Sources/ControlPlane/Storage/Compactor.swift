/// Forgets history that is older than one to two intervals, as etcd's clients do for Kubernetes.
public struct Compactor<C: Clock>: Sendable where C.Duration == Duration {
    private let storage: any Storage
    private let interval: Duration
    private let clock: C

    /// - Parameter interval: history is kept for at least this long. Kubernetes' own default is five minutes.
    public init(storage: any Storage, interval: Duration = .seconds(300), clock: C) {
        self.storage = storage
        self.interval = interval
        self.clock = clock
    }

    /// Runs until the task is cancelled or the storage is closed. A compaction that fails is tried again at the next turn.
    public func run(onError: @Sendable (StorageError) -> Void) async {
        var horizon: Revision?
        while !Task.isCancelled {
            do throws(StorageError) {
                if let horizon { try await storage.compact(to: horizon) }
                horizon = try await storage.currentRevision()
            } catch {
                if error.code == .closed { return }
                onError(error)
            }
            // Cancellation is the only error that sleeping has; the loop's condition sees it.
            try? await clock.sleep(for: interval)
        }
    }
}
