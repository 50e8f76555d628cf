import Dispatch

/// Runs blocking system calls away from Swift's cooperative threads, which must never block.
enum BlockingWork {
    private static let queue = DispatchQueue(label: "swiftlet.kubelet.blocking", attributes: .concurrent)

    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result(catching: body)) }
        }
    }
}
