import LinuxSystem

/// Reads a shim's first frame from a non-blocking socket, within a time.
struct Greeting {
    private let socket: FileDescriptor
    private let path: String
    /// CLOCK_MONOTONIC nanoseconds.
    private let deadline: Int64

    /// - Parameter path: the pod's directory, for messages.
    init(_ socket: FileDescriptor, _ path: String, _ timeout: Duration) {
        (self.socket, self.path) = (socket, path)
        let (seconds, attoseconds) = timeout.components
        deadline = Clocks.monotonic() + seconds * 1_000_000_000 + attoseconds / 1_000_000_000
    }

    func read() throws -> ShimHello {
        let header = try readExactly(Frame.headerSize)
        let length = (0..<4).reduce(0) { $0 | Int(header[$1]) << (8 * $1) }
        guard header[4] == Frame.Kind.hello.rawValue, length < 1 << 16 else { throw ShimError(.protocolViolation, "expected a greeting, found frame kind \(header[4])") }
        return try ShimHello(decoding: try readExactly(length))
    }

    private func readExactly(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let result = bytes.withUnsafeMutableBytes { buffer -> Result<Int, SystemError> in
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
                do throws(SystemError) { return .success(try socket.read(into: rest)) } catch { return .failure(error) }
            }
            switch result {
            case .success(0): throw ShimError(.disconnected, "the shim closed the connection during its greeting")
            case .success(let read): filled += read
            case .failure(let error) where error.errno == 11: try waitUntilReadable() // EAGAIN
            case .failure(let error): throw error
            }
        }
        return bytes
    }

    private func waitUntilReadable() throws {
        let left = deadline - Clocks.monotonic()
        guard left > 0 else { throw ShimError(.silent, "expected a greeting of the shim in \(path), found silence") }
        let poller = try Poller()
        try poller.add(socket, .readable, token: 0)
        // Rounded up, so that the wait ends behind the deadline.
        _ = try poller.wait(milliseconds: Int((left + 999_999) / 1_000_000))
    }
}
