import KubeClient

/// Runs one action a key at a time, again and again until it says that it is done; a key that comes twice while it waits is one.
///
/// Level-triggered: the action looks at the present state, never at what the event said.
actor RetryingQueue {
    private var isPending: Set<String> = []
    private var isRunning: Set<String> = []
    private let backoff: Backoff
    private let action: @Sendable (String) async throws -> Bool

    /// - Parameter action: true when the key needs nothing more; false or an error asks for another try later.
    init(backoff: Backoff, action: @escaping @Sendable (String) async throws -> Bool) {
        (self.backoff, self.action) = (backoff, action)
    }

    /// Marks the key; runs it in this task unless another one does.
    func work(_ key: String) async {
        isPending.insert(key)
        guard isRunning.insert(key).inserted else { return }
        var failures = 0
        while isPending.remove(key) != nil, !Task.isCancelled {
            let isDone: Bool
            do { isDone = try await action(key) } catch { isDone = false }
            guard !isDone else {
                failures = 0
                continue
            }
            failures += 1
            isPending.insert(key)
            do { try await backoff.pause(failures) } catch { break }
        }
        isRunning.remove(key)
    }
}
