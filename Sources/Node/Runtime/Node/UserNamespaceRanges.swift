import Synchronization

/// Ranges of host ids for pods with a user namespace. Each has 65536 of its own, so no two pods share a host id.
final class UserNamespaceRanges: Sendable {
    static let size: UInt32 = 65536

    private let first: UInt32
    private let count: UInt32
    private let taken = Mutex<Set<UInt32>>([])

    init(first: UInt32, count: UInt32) {
        self.first = first
        // What does not fit below (uid_t)-1 is no range.
        self.count = min(count, (.max - first) / Self.size)
    }

    /// The lowest free range's first host id.
    func take() throws(RuntimeError) -> UInt32 {
        let start = taken.withLock { taken -> UInt32? in
            for index in 0..<count where taken.insert(first + index * Self.size).inserted { return first + index * Self.size }
            return nil
        }
        guard let start else {
            throw RuntimeError(.sandboxFailed, "no range of user ids is free: all \(count) are used by pods with hostUsers: false", step: "allocate user ids")
        }
        return start
    }

    /// Marks the range of an adopted sandbox.
    func adopt(_ start: UInt32) { taken.withLock { _ = $0.insert(start) } }

    func giveBack(_ start: UInt32) { taken.withLock { _ = $0.remove(start) } }
}
