import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// What a child tells the shim while it sets itself up, a packet each. The channel is close-on-exec: its end after
/// ``executing`` is the proof that the program runs.
enum ChildMessage {
    /// Set up; waits to be released. With a terminal, its master travels along.
    case ready
    /// About to call execve.
    case executing
    /// A process made with CLONE_PARENT.
    case pid(Int32)
    /// Something works less than asked for.
    case note(String)
    case failure(ShimFailure)
    /// Every copy of the channel is closed.
    case end

    var bytes: [UInt8] {
        switch self {
        case .ready: [1]
        case .executing: [2]
        case .pid(let pid): [3] + ShimReply(0, pid: pid).bytes
        case .note(let text): [4] + Array(text.utf8)
        case .failure(let failure): [5] + failure.bytes
        case .end: []
        }
    }

    init(_ bytes: ArraySlice<UInt8>) {
        let payload = bytes.dropFirst()
        switch bytes.first {
        case 1: self = .ready
        case 2: self = .executing
        case 3: self = .pid((try? ShimReply(decoding: payload))?.pid ?? 0) // written by our own fork
        case 4: self = .note(String(decoding: payload, as: UTF8.self))
        case 5: self = .failure((try? ShimFailure(decoding: payload)) ?? ShimFailure(step: "unknown")) // as above
        default: self = .end
        }
    }
}

/// The child's end.
struct ChildChannel {
    let socket: FileDescriptor
    init(_ socket: FileDescriptor) { self.socket = socket }

    /// A failure to send means that the shim is dead: the caller ends soon too.
    func send(_ message: ChildMessage, descriptor: FileDescriptor? = nil) {
        _ = try? message.bytes.withUnsafeBytes { try socket.send($0, descriptors: descriptor.map { [$0.raw] } ?? []) }
    }

    /// False if the shim has closed its end: it is dead.
    var isOpen: Bool {
        var byte: UInt8 = 0
        return withUnsafeMutableBytes(of: &byte) { rawCall(Int32(SYS_recvfrom), Int(socket.raw), Int(bitPattern: $0.baseAddress), 1, 0x40) } == -Int(EAGAIN) // MSG_DONTWAIT
    }

    /// Blocks until the shim says go; false if it has closed its end.
    func waitForRelease() -> Bool {
        var byte: UInt8 = 0
        let count = try? withUnsafeMutableBytes(of: &byte) { buffer throws(SystemError) in try socket.read(into: buffer) }
        return count == 1
    }
}

/// The shim's end.
struct ShimChannel {
    let socket: FileDescriptor
    init(_ socket: FileDescriptor) { self.socket = socket }

    func release() throws(SystemError) { try socket.writeAll([1]) }

    /// Blocks; for the short steps that make the pod.
    func receive() throws(SystemError) -> ChildMessage { try poll()?.message ?? .end }

    /// Nil if nothing is there (on a non-blocking socket).
    func poll() throws(SystemError) -> (message: ChildMessage, descriptor: FileDescriptor?)? {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 8192, alignment: 8)
        defer { buffer.deallocate() }
        let received: (count: Int, descriptors: [FileDescriptor])?
        do throws(SystemError) { received = try socket.receive(into: buffer) } catch {
            // The child ended with an unread release in its queue.
            if error.errno == ECONNRESET { return (.end, nil) }
            throw error
        }
        guard let (count, descriptors) = received else { return nil }
        return (ChildMessage(Array(buffer[..<count])[...]), descriptors.first)
    }
}

/// Descriptors of a child that has not executed yet.
enum ChildDescriptors {
    /// Closes everything else now: a created container must not hold the pod's lock or a client's socket.
    static func closeAll(except kept: [Int32]) throws(SystemError) {
        var next: Int32 = 3
        for raw in Set(kept).sorted() where raw >= 3 {
            if raw > next { try closeRange(next, raw - 1, flags: 0) }
            next = raw + 1
        }
        try closeRange(next, .max, flags: 0)
    }

    /// Whatever is open above stderr ends at execve (CVE-2024-21626).
    static func closeOnExec() throws(SystemError) { try closeRange(3, .max, flags: 4) }

    private static func closeRange(_ first: Int32, _ last: Int32, flags: Int) throws(SystemError) {
        _ = try systemCall("close_range") { rawCall(Int32(SYS_close_range), Int(first), last == .max ? Int(UInt32.max) : Int(last), flags) }
    }
}
