import Glibc
import Synchronization

/// A descriptor that is closed once: early, at the end of input, or at the latest when its session is over.
final class InputDescriptor: Sendable {
    private let number: Mutex<Int32?>

    init(_ descriptor: Int32?) { number = Mutex(descriptor) }

    func close() {
        let descriptor = number.withLock { number in
            defer { number = nil }
            return number
        }
        if let descriptor { _ = Glibc.close(descriptor) }
    }
}
