import Glibc
import LinuxSystem
import Netlink
import Testing

/// How a connection went.
enum Answer: Hashable, CustomStringConvertible {
    /// What the server said: its name and whom it saw.
    case from(String, seeing: String)
    /// ECONNREFUSED.
    case refused
    /// Nothing came.
    case silence
    case failed(Int32)

    var server: String? { if case .from(let name, _) = self { name } else { nil } }
    var client: String? { if case .from(_, let client) = self { client } else { nil } }
    var description: String {
        switch self {
        case .from(let name, let client): "\(name) saw \(client)"
        case .refused: "refused"
        case .silence: "silence"
        case .failed(let errno): SystemError.name(errno)
        }
    }
}

/// Socket addresses of both families, as the kernel takes them.
private struct SocketAddress {
    var storage = sockaddr_storage()
    var length: socklen_t

    init(_ address: IPAddress, _ port: UInt16) {
        var bytes: [UInt8] = [UInt8(address.family.rawValue), 0, UInt8(port >> 8), UInt8(port & 0xff)]
        if address.family == .v6 { bytes += [0, 0, 0, 0] }
        bytes += address.bytes
        bytes += [UInt8](repeating: 0, count: address.family == .v4 ? 8 : 4)
        length = socklen_t(bytes.count)
        withUnsafeMutableBytes(of: &storage) { $0.copyBytes(from: bytes) }
    }

    init() { length = socklen_t(MemoryLayout<sockaddr_storage>.size) }

    var address: String {
        withUnsafeBytes(of: storage) { bytes in
            (bytes[0] == 2 ? IPAddress(bytes: Array(bytes[4..<8])) : IPAddress(bytes: Array(bytes[8..<24])))?.description ?? "?"
        }
    }

    mutating func with<R>(_ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> R) -> R {
        withUnsafeMutablePointer(to: &storage) { storage in
            withUnsafeMutablePointer(to: &length) { length in
                storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
            }
        }
    }
}

/// A socket made in a network namespace; it stays there.
final class TestSocket: Sendable {
    let raw: Int32

    init(in namespace: NetworkNamespace, _ transport: TransportProtocol, _ family: IPAddress.Family = .v4) throws {
        raw = try Namespaces.inside(namespace.path, .network) {
            let raw = transport == .udp ? socket(Int32(family.rawValue), 2, 0) : socket(Int32(family.rawValue), 1, transport == .sctp ? 132 : 0)
            guard raw >= 0 else { throw SystemError(operation: "socket", errno: errno) }
            return raw
        }
        var one: Int32 = 1
        setsockopt(raw, SOL_SOCKET, SO_REUSEADDR, &one, 4)
    }

    deinit { close(raw) }

    func bind(_ address: IPAddress, _ port: UInt16) throws {
        var target = SocketAddress(address, port)
        guard target.with({ Glibc.bind(raw, $0, $1.pointee) }) == 0 else { throw SystemError(operation: "bind \(address) \(port)", errno: errno) }
    }

    /// 0 or the errno; ETIMEDOUT if nothing came.
    func connect(_ address: IPAddress, _ port: UInt16, milliseconds: Int32) -> Int32 {
        _ = fcntl(raw, F_SETFL, fcntl(raw, F_GETFL) | O_NONBLOCK)
        var target = SocketAddress(address, port)
        if target.with({ Glibc.connect(raw, $0, $1.pointee) }) == 0 { return 0 }
        guard errno == EINPROGRESS else { return errno }
        guard wait(Int16(POLLOUT), milliseconds) else { return ETIMEDOUT }
        var (error, length) = (Int32(0), socklen_t(4))
        getsockopt(raw, SOL_SOCKET, SO_ERROR, &error, &length)
        return error
    }

    func wait(_ events: Int16, _ milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: raw, events: events, revents: 0)
        return poll(&entry, 1, milliseconds) == 1
    }

    func say(_ text: String) -> Bool { text.withCString { send(raw, $0, strlen($0), Int32(MSG_NOSIGNAL)) } >= 0 }

    /// What the server says; its words are name, space, client.
    func hear(milliseconds: Int32) -> Answer {
        guard wait(Int16(POLLIN), milliseconds) else { return .silence }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = recv(raw, &bytes, bytes.count, 0)
        guard count > 0 else { return count == 0 ? .silence : errno == ECONNREFUSED ? .refused : .failed(errno) }
        let words = String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ")
        return words.count == 2 ? .from(String(words[0]), seeing: String(words[1])) : .failed(EPROTO)
    }

    /// Sends and hears: one question over an unconnected or connected datagram socket.
    func ask(milliseconds: Int32 = 1500) -> Answer {
        guard say("?") else { return errno == ECONNREFUSED ? .refused : .failed(errno) }
        return hear(milliseconds: milliseconds)
    }
}

extension NetworkNamespace {
    /// Connects once and hears who answers.
    func call(_ address: String, _ port: UInt16, _ transport: TransportProtocol = .tcp, milliseconds: Int32 = 1500) throws -> Answer {
        let target = try #require(IPAddress(address))
        let socket = try TestSocket(in: self, transport, target.family)
        switch socket.connect(target, port, milliseconds: milliseconds) {
        case 0: return transport == .udp ? socket.ask(milliseconds: milliseconds) : socket.hear(milliseconds: milliseconds)
        case ECONNREFUSED: return .refused
        case ETIMEDOUT: return .silence
        case let error: return .failed(error)
        }
    }

    /// A datagram socket that stays: one flow.
    func flow(_ address: String, _ port: UInt16) throws -> TestSocket {
        let target = try #require(IPAddress(address))
        let socket = try TestSocket(in: self, .udp, target.family)
        try #require(socket.connect(target, port, milliseconds: 0) == 0)
        return socket
    }
}

/// Answers TCP and UDP (and SCTP) with its name and the client's address, on a thread until it is dropped.
final class TestServer: Sendable {
    private let wake: FileDescriptor

    init(_ name: String, in namespace: NetworkNamespace, _ port: UInt16, address: String = "0.0.0.0", transports: [TransportProtocol] = [.tcp, .udp]) throws {
        let address = try #require(IPAddress(address))
        let sockets = try transports.map { transport in
            let socket = try TestSocket(in: namespace, transport, address.family)
            try socket.bind(address, port)
            if transport != .udp { listen(socket.raw, 1024) }
            return (transport, socket)
        }
        let wake = try Descriptors.event()
        self.wake = wake
        let work = Work {
            while true {
                var entries = sockets.map { pollfd(fd: $0.1.raw, events: Int16(POLLIN), revents: 0) } + [pollfd(fd: wake.raw, events: Int16(POLLIN), revents: 0)]
                poll(&entries, nfds_t(entries.count), -1)
                if entries[sockets.count].revents != 0 { return }
                for (index, (transport, socket)) in sockets.enumerated() where entries[index].revents != 0 {
                    if transport == .udp { Self.answer(socket, name) } else { Self.accept(socket, name) }
                }
            }
        }
        var thread = pthread_t()
        pthread_create(&thread, nil, { raw in
            Unmanaged<Work>.fromOpaque(raw!).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(work).toOpaque())
        pthread_detach(thread)
    }

    deinit {
        var one: UInt64 = 1
        write(wake.raw, &one, 8)
    }

    private static func answer(_ socket: TestSocket, _ name: String) {
        var (client, bytes) = (SocketAddress(), [UInt8](repeating: 0, count: 64))
        guard client.with({ recvfrom(socket.raw, &bytes, bytes.count, 0, $0, $1) }) > 0 else { return }
        let words = Array("\(name) \(client.address)".utf8)
        _ = client.with { sendto(socket.raw, words, words.count, 0, $0, $1.pointee) }
    }

    private static func accept(_ socket: TestSocket, _ name: String) {
        var client = SocketAddress()
        let connection = client.with { Glibc.accept(socket.raw, $0, $1) }
        guard connection >= 0 else { return }
        let words = Array("\(name) \(client.address)".utf8)
        send(connection, words, words.count, Int32(MSG_NOSIGNAL))
        close(connection)
    }

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
