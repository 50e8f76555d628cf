internal import BlockingCalls

extension BlockingThreads {
    /// For the kubelet's own work on files; the runtime has threads of its own, so that neither waits for the other's.
    static let kubelet = BlockingThreads()
}
