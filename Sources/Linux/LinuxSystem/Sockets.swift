import CLinux
import Glibc

/// Who is at the other end of a Unix socket (SO_PEERCRED: as of connect).
public struct PeerCredentials: Sendable, Hashable {
    public var pid: Int32
    public var uid: UInt32
    public var gid: UInt32
    public init(pid: Int32, uid: UInt32, gid: UInt32) { (self.pid, self.uid, self.gid) = (pid, uid, gid) }
}

/// Unix sockets. Paths are limited to 107 bytes, so these go through a directory descriptor
/// (`/proc/self/fd/N/name`), which has no limit on the directory's own path.
public enum UnixSockets {
    public enum Kind: Int32, Sendable { case stream = 1, sequencedPackets = 5 }

    /// Binds and listens. A stale socket file of the same name is removed first: hold the directory's lock.
    public static func listen(_ name: String, in directory: FileDescriptor, kind: Kind = .stream, mode: UInt32 = 0o600, backlog: Int = 16) throws(SystemError) -> FileDescriptor {
        let socket = try make(kind)
        do throws(SystemError) { try Files.remove(name, at: directory) } catch { if error.errno != ENOENT { throw error } }
        // The mode must be right from the first moment: fchmod before bind sets what bind creates.
        _ = try systemCall("fchmod socket") { rawCall(Int32(SYS_fchmod), Int(socket.raw), Int(mode)) }
        _ = try systemCall("bind", path: name) { Int(clinux_bind_unix(socket.raw, "/proc/self/fd/\(directory.raw)/\(name)")) }
        _ = try systemCall("listen", path: name) { rawCall(Int32(SYS_listen), Int(socket.raw), backlog) }
        return socket
    }

    /// Connects to the socket `name` in a directory.
    /// - Parameter nonBlocking: EAGAIN instead of waiting where the listener's queue is full.
    public static func connect(
        _ name: String, in directory: FileDescriptor, kind: Kind = .stream, nonBlocking: Bool = false
    ) throws(SystemError) -> FileDescriptor {
        let socket = try make(kind)
        if nonBlocking { try socket.setNonBlocking(true) }
        _ = try systemCall("connect", path: name) { Int(clinux_connect_unix(socket.raw, "/proc/self/fd/\(directory.raw)/\(name)")) }
        return socket
    }

    /// A connected pair.
    public static func pair(_ kind: Kind = .stream) throws(SystemError) -> (FileDescriptor, FileDescriptor) {
        var fds: (Int32, Int32) = (-1, -1)
        _ = try systemCall("socketpair") {
            withUnsafeMutablePointer(to: &fds) { rawCall(Int32(SYS_socketpair), 1, Int(kind.rawValue | 0o2000000), 0, $0.argument) }
        }
        return (FileDescriptor(owning: fds.0), FileDescriptor(owning: fds.1))
    }

    private static func make(_ kind: Kind) throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: Int32(try systemCall("socket") { rawCall(Int32(SYS_socket), 1, Int(kind.rawValue | 0o2000000), 0) }))
    }
}

/// Sockets of the internet protocols.
public enum InternetSockets {
    /// socket(2): a TCP socket, non-blocking and close-on-exec, in the network namespace of the calling thread.
    public static func stream(isIPv6: Bool) throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: Int32(try systemCall("socket") { rawCall(Int32(SYS_socket), isIPv6 ? 10 : 2, 1 | 0o2004000, 0) }))
    }
}

extension FileDescriptor {
    /// accept4(2), close-on-exec; nil if nobody waits on a non-blocking socket.
    public func accept(nonBlocking: Bool = false) throws(SystemError) -> FileDescriptor? {
        let result = rawCall(Int32(SYS_accept4), Int(raw), 0, 0, 0o2000000 | (nonBlocking ? 0o4000 : 0))
        if result == -Int(EAGAIN) || result == -Int(ECONNABORTED) || result == -Int(EINTR) { return nil }
        return FileDescriptor(owning: Int32(try systemCall("accept") { result }))
    }

    /// SO_PEERCRED.
    public func peer() throws(SystemError) -> PeerCredentials {
        var peer = PeerCredentials(pid: 0, uid: 0, gid: 0)
        _ = try systemCall("getsockopt SO_PEERCRED") { Int(clinux_peer(raw, &peer.pid, &peer.uid, &peer.gid)) }
        return peer
    }

    /// sendmsg(2) without SIGPIPE, with descriptors (SCM_RIGHTS, at most 16).
    /// - Returns: bytes sent; nil if a non-blocking socket is full.
    public func send(_ bytes: UnsafeRawBufferPointer, descriptors: [Int32] = []) throws(SystemError) -> Int? {
        do throws(SystemError) {
            return try systemCall("sendmsg") { Int(clinux_send(raw, bytes.baseAddress, bytes.count, descriptors, descriptors.count, 0)) }
        } catch {
            if error.errno == EAGAIN { return nil }
            throw error
        }
    }

    /// recvmsg(2); descriptors arrive close-on-exec.
    /// - Returns: bytes (0 at the end) and descriptors; nil if nothing is there on a non-blocking socket.
    public func receive(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> (count: Int, descriptors: [FileDescriptor])? {
        var fds: (Int64, Int64, Int64, Int64, Int64, Int64, Int64, Int64) = (0, 0, 0, 0, 0, 0, 0, 0) // 16 Int32
        var count = 0
        let received: Int
        do throws(SystemError) {
            received = try systemCall("recvmsg") {
                withUnsafeMutableBytes(of: &fds) { Int(clinux_receive(raw, buffer.baseAddress, buffer.count, $0.baseAddress?.assumingMemoryBound(to: Int32.self), 16, &count, 0)) }
            }
        } catch {
            if error.errno == EAGAIN { return nil }
            throw error
        }
        let descriptors = withUnsafeBytes(of: &fds) { bytes in
            (0..<count).map { FileDescriptor(owning: bytes.load(fromByteOffset: $0 * 4, as: Int32.self)) }
        }
        return (received, descriptors)
    }
}
