import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// A container's streams: from its pipes or terminal to the log file and to attached clients, from clients to its stdin.
final class ContainerOutput {
    enum Stream: Int { case output = 0, errorOutput = 1 }

    /// A client of `attach`.
    struct Client {
        var input: FileDescriptor?
        var streams: [FileDescriptor?] // by Stream
    }

    private var log: LogFile
    private var formatters = [LogFormatter(stream: "stdout"), LogFormatter(stream: "stderr")]
    /// Read ends of the pipes; with a terminal its master alone, as output.
    private(set) var sources: [FileDescriptor?] = [nil, nil]
    /// Where attached input goes: the write end of stdin, or the terminal's master.
    private(set) var input: FileDescriptor?
    private var clients: [UInt64: Client] = [:]
    /// Input that the container has not taken yet; its client is not read meanwhile.
    private(set) var pendingInput: [UInt8] = []
    private let isTerminal: Bool

    var droppedLines: UInt64 { log.droppedLines }

    init(_ plan: ContainerPlan) throws(SystemError) {
        log = try LogFile(plan.log)
        isTerminal = plan.process.terminal
    }

    func setSource(_ stream: Stream, _ file: FileDescriptor) throws(SystemError) {
        try file.setNonBlocking(true)
        sources[stream.rawValue] = file
    }

    func setInput(_ file: FileDescriptor) throws(SystemError) {
        try file.setNonBlocking(true)
        input = file
    }

    /// Reads what is there, at most `limit` bytes so that no container starves the others.
    /// - Returns: false when the stream has ended (and is closed).
    func drain(_ stream: Stream, limit: Int = 256 << 10) -> Bool {
        guard let source = sources[stream.rawValue] else { return false }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 << 10, alignment: 8)
        defer { buffer.deallocate() }
        var total = 0
        while total < limit {
            let count: Int
            do throws(SystemError) { count = try source.read(into: buffer) } catch {
                if error.errno == EAGAIN { return true }
                // EIO: a terminal that nobody has open any more.
                end(stream)
                return false
            }
            if count == 0 {
                end(stream)
                return false
            }
            total += count
            take(stream, UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
        return true
    }

    private func take(_ stream: Stream, _ bytes: UnsafeRawBufferPointer) {
        let time = Timestamp.rfc3339(nanoseconds: Clocks.now())
        var rest = bytes
        while !rest.isEmpty {
            let used = formatters[stream.rawValue].append(rest, time: time)
            rest = UnsafeRawBufferPointer(rebasing: rest[used...])
            writeOut(stream)
        }
        for token in clients.keys { forward(bytes, stream, token) }
    }

    private func writeOut(_ stream: Stream) {
        let (bytes, lines) = formatters[stream.rawValue].takeOutput()
        log.write(bytes, lines: lines)
    }

    private func end(_ stream: Stream) {
        sources[stream.rawValue]?.close()
        sources[stream.rawValue] = nil
        formatters[stream.rawValue].finish(time: Timestamp.rfc3339(nanoseconds: Clocks.now()))
        writeOut(stream)
        for token in clients.keys { clients[token]?.streams[stream.rawValue] = nil }
    }

    /// The container has ended: takes what is left in the pipes and closes everything.
    func finish() {
        for stream in [Stream.output, .errorOutput] where sources[stream.rawValue] != nil {
            // All its processes are gone with its PID namespace; in a shared one, a straggler's output ends here.
            if drain(stream, limit: .max) { end(stream) }
        }
        input = nil
        pendingInput = []
        clients = [:]
        // A shim keeps many containers that have ended.
        formatters = []
        log.close()
    }

    /// Nothing, once the output has ended.
    func reopenLog() throws(SystemError) { if !formatters.isEmpty { try log.reopen() } }

    // MARK: Attach

    func attach(_ client: Client, token: UInt64) throws(SystemError) {
        for file in client.streams + [client.input] { try file?.setNonBlocking(true) }
        // The client's buffer is its pipe: 1 MiB before it counts as slow. A socket keeps its own size.
        for file in client.streams { if let file { _ = rawCall(Int32(SYS_fcntl), Int(file.raw), 1031, 1 << 20) } } // F_SETPIPE_SZ
        clients[token] = client
    }

    func clientInput(_ token: UInt64) -> FileDescriptor? { clients[token]?.input }
    func detachInput(_ token: UInt64) { clients[token]?.input = nil }
    func closeInput() { if !isTerminal { input = nil } }

    /// A client whose pipe is full is cut off: the log must never wait for it.
    private func forward(_ bytes: UnsafeRawBufferPointer, _ stream: Stream, _ token: UInt64) {
        guard let file = clients[token]?.streams[stream.rawValue] else { return }
        let written = (try? file.write(bytes)) ?? 0
        if written < bytes.count { clients[token]?.streams[stream.rawValue] = nil }
    }

    enum InputResult { case more, blocked, ended }

    /// Moves one chunk of a client's input to the container.
    func forwardInput(_ token: UInt64) -> InputResult {
        guard let source = clientInput(token) else { return .ended }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 8)
        defer { buffer.deallocate() }
        let count: Int
        do throws(SystemError) { count = try source.read(into: buffer) } catch { return error.errno == EAGAIN ? .more : .ended }
        if count == 0 { return .ended }
        pendingInput.append(contentsOf: buffer[..<count])
        return flushInput() ? .more : .blocked
    }

    /// False if the container does not take it yet.
    func flushInput() -> Bool {
        while !pendingInput.isEmpty {
            guard let input else {
                pendingInput = []
                return true
            }
            let written: Int
            do throws(SystemError) {
                written = try withPending { bytes throws(SystemError) in try input.write(bytes) }
            } catch {
                if error.errno == EAGAIN { return false }
                pendingInput = [] // nobody reads stdin any more
                return true
            }
            pendingInput.removeFirst(written)
        }
        return true
    }

    private func withPending(_ body: (UnsafeRawBufferPointer) throws(SystemError) -> Int) throws(SystemError) -> Int {
        let result = pendingInput.withUnsafeBytes { bytes -> Result<Int, SystemError> in
            do throws(SystemError) { return .success(try body(bytes)) } catch { return .failure(error) }
        }
        return try result.get()
    }
}
