internal import CLinux
internal import Glibc
public import LinuxSystem
internal import Synchronization

/// A netlink socket. It speaks for the network namespace in which it was opened, whatever thread uses it later.
///
/// Calls block until the kernel has answered (microseconds). One request at a time: a socket is not shared between threads
/// without a lock.
public final class NetlinkSocket: Sendable {
    public enum Family: Int32, Sendable {
        /// Links, addresses, routes, neighbours.
        case route = 0
        /// nf_tables and conntrack.
        case netfilter = 12
    }

    /// For event loops of a socket that listens.
    public let descriptor: FileDescriptor
    private let sequence = SequenceNumber()

    /// Opens the socket in the calling thread's network namespace.
    public init(_ family: Family) throws(NetlinkError) {
        do throws(SystemError) {
            let raw = try systemCall("socket AF_NETLINK") { rawCall(Int32(SYS_socket), 16, 3 | Int(SOCK_CLOEXEC.rawValue), Int(family.rawValue)) }
            descriptor = FileDescriptor(owning: Int32(raw))
            // Errors carry a sentence, and do not repeat the request. Sockets that cannot do it still give the errno.
            for option in [11, 10] { _ = Self.set(descriptor, option, 1) }
            // Dumps honour their filters or fail, instead of returning everything.
            if family == .route { _ = Self.set(descriptor, 12, 1) }
            var address: (UInt16, UInt16, UInt32, UInt32) = (16, 0, 0, 0)
            _ = try systemCall("bind AF_NETLINK") { withUnsafePointer(to: &address) { rawCall(Int32(SYS_bind), raw, $0.argument, 12) } }
        } catch {
            throw NetlinkError(error)
        }
    }

    /// Opens the socket inside another network namespace, on a thread that ends.
    public static func open(_ family: Family, inside namespacePath: String) throws -> NetlinkSocket {
        try Namespaces.inside(namespacePath, .network) { try NetlinkSocket(family) }
    }

    private static func set(_ descriptor: FileDescriptor, _ option: Int, _ value: Int32) -> Int {
        var value = value
        return withUnsafePointer(to: &value) { rawCall(Int32(SYS_setsockopt), Int(descriptor.raw), 270, option, $0.argument, 4) }
    }

    /// Also receives what others change (`RTNLGRP_…`, `NFNLGRP_…`), with a receive buffer for bursts.
    public func join(group: Int32) throws(NetlinkError) {
        try wrapped { () throws(SystemError) in _ = try systemCall("join netlink group \(group)") { Self.set(descriptor, 1, group) } }
        // SO_RCVBUFFORCE needs CAP_NET_ADMIN; without it the default stays and overruns are reported all the same.
        setBuffer(option: 33, bytes: 1 << 20)
    }

    /// No longer receives what others change; what has been received stays to be read.
    public func leave(group: Int32) throws(NetlinkError) {
        try wrapped { () throws(SystemError) in _ = try systemCall("leave netlink group \(group)") { Self.set(descriptor, 2, group) } }
    }

    /// The socket's netlink port: notifications of changes that this socket asked for carry it.
    public func port() throws(NetlinkError) -> UInt32 {
        var address: (UInt16, UInt16, UInt32, UInt32) = (0, 0, 0, 0)
        var length: UInt32 = 12
        try wrapped { () throws(SystemError) in
            _ = try systemCall("getsockname AF_NETLINK") {
                withUnsafeMutablePointer(to: &address) { address in
                    withUnsafeMutablePointer(to: &length) { rawCall(Int32(SYS_getsockname), Int(descriptor.raw), address.argument, $0.argument) }
                }
            }
        }
        return address.2
    }

    private func setBuffer(option: Int, bytes: Int) {
        var size = Int32(clamping: bytes)
        _ = withUnsafePointer(to: &size) { rawCall(Int32(SYS_setsockopt), Int(descriptor.raw), 1, option, $0.argument, 4) }
    }

    private func wrapped(_ body: () throws(SystemError) -> Void) throws(NetlinkError) {
        do throws(SystemError) { try body() } catch { throw NetlinkError(error) }
    }

    // MARK: Requests

    /// Sends one request and waits for its acknowledgement.
    /// - Throws: ``NetlinkError`` `refused` with the kernel's errno and sentence.
    public func request(_ operation: String, type: UInt16, flags: NetlinkFlags = [], _ body: (inout NetlinkWriter) -> Void) throws(NetlinkError) {
        _ = try exchange(operation, type: type, flags: [.request, .acknowledge, flags], body)
    }

    /// Asks for one object; the kernel answers with it and an acknowledgement.
    public func get(_ operation: String, type: UInt16, _ body: (inout NetlinkWriter) -> Void) throws(NetlinkError) -> [NetlinkMessage] {
        try exchange(operation, type: type, flags: [.request, .acknowledge], body)
    }

    /// Asks for all objects. A dump that changed while it was read is read again.
    public func dump(_ operation: String, type: UInt16, _ body: (inout NetlinkWriter) -> Void) throws(NetlinkError) -> [NetlinkMessage] {
        for _ in 0..<8 {
            let messages = try exchange(operation, type: type, flags: [.request, .dump], body)
            if !messages.contains(where: { $0.flags.contains(.dumpInterrupted) }) { return messages }
        }
        throw NetlinkError(.overrun, "\(operation): expected a consistent dump, found it interrupted by changes eight times")
    }

    private func exchange(
        _ operation: String, type: UInt16, flags: NetlinkFlags, _ body: (inout NetlinkWriter) -> Void
    ) throws(NetlinkError) -> [NetlinkMessage] {
        let number = sequence.next()
        var writer = NetlinkWriter()
        writer.message(type: type, flags: flags, sequence: number, body)
        try send(writer.bytes)
        var found: [NetlinkMessage] = []
        while true {
            for message in try receive() where message.sequence == number {
                switch message.type {
                case NetlinkMessage.done:
                    return found
                case NetlinkMessage.error:
                    if let error = Self.error(in: message, operation) { throw error }
                    return found
                case NetlinkMessage.noop:
                    continue
                default:
                    found.append(message)
                }
            }
        }
    }

    // MARK: Bytes

    /// Sends messages that the caller has built, in one datagram.
    public func send(_ bytes: [UInt8]) throws(NetlinkError) {
        // A datagram larger than the send buffer is refused (EMSGSIZE). SO_SNDBUFFORCE; the kernel doubles the number.
        if bytes.count > 1 << 16 { setBuffer(option: 32, bytes: bytes.count) }
        do throws(SystemError) {
            let sent = try systemCall("send netlink") {
                bytes.withUnsafeBytes { rawCall(Int32(SYS_sendto), Int(descriptor.raw), Int(bitPattern: $0.baseAddress), $0.count, 0, 0, 0) }
            }
            guard sent == bytes.count else { throw SystemError(operation: "send netlink", errno: EMSGSIZE) }
        } catch {
            throw NetlinkError(error)
        }
    }

    /// Numbers for the messages of a batch.
    func sequences(_ count: UInt32) -> UInt32 { sequence.next(count) }

    /// The next datagram's messages; waits for it.
    public func receive() throws(NetlinkError) -> [NetlinkMessage] {
        // The kernel fills at most 32 KiB of a dump into one datagram, and less if the reader's buffer was small before.
        let capacity = 1 << 15
        var buffer: [UInt8] = []
        do throws(SystemError) {
            let count = try systemCall("receive netlink") {
                withUnsafeTemporaryAllocation(byteCount: capacity, alignment: 8) { space in
                    let count = rawCall(Int32(SYS_recvfrom), Int(descriptor.raw), Int(bitPattern: space.baseAddress), capacity, 0x20, 0, 0)  // MSG_TRUNC: the true length
                    if count > 0, count <= capacity { buffer = [UInt8](space[..<count]) }
                    return count
                }
            }
            guard count <= capacity else { throw SystemError(operation: "receive netlink", errno: EMSGSIZE) }
        } catch {
            throw error.errno == ENOBUFS ? NetlinkError(.overrun, error.description, errno: ENOBUFS, cause: error) : NetlinkError(error)
        }
        return try NetlinkMessage.split(buffer)
    }

    /// The error of an NLMSG_ERROR message; nil for an acknowledgement.
    static func error(in message: NetlinkMessage, _ operation: String) -> NetlinkError? {
        guard let code = message.body.number(Int32.self, at: 0) else {
            return NetlinkError(.malformed, "\(operation): expected an error code, found \(message.body.count) bytes")
        }
        guard code != 0 else { return nil }
        let cause = SystemError(operation: operation, errno: code == .min ? EPROTO : -code)
        // struct nlmsgerr: code and the request's header; NLMSGERR_ATTR_MSG follows (its body is not echoed: NETLINK_CAP_ACK).
        let sentence = message.flags.rawValue & 0x200 != 0 ? message.attributes(after: 20).string(1) : nil
        return NetlinkError(.refused, sentence.map { "\(cause): \($0)" } ?? cause.description, errno: cause.errno, cause: cause)
    }
}

/// Sequence numbers of a socket's requests. They start at 1: multicast messages carry 0.
final class SequenceNumber: Sendable {
    private let last = Atomic<UInt32>(0)

    /// The first of `count` numbers in a row.
    func next(_ count: UInt32 = 1) -> UInt32 { last.wrappingAdd(count, ordering: .relaxed).oldValue &+ 1 }
}
