import CLinux
import Glibc

/// The service manager that started this process and asked to be told how it is: the protocol of sd_notify(3), a datagram of
/// assignments to the socket that `NOTIFY_SOCKET` names.
public struct ServiceManager: Sendable, Hashable {
    public enum Message: Sendable, Hashable {
        /// The service does what it is for.
        case ready
        /// It is about to end.
        case stopping
        /// It is not stuck; to be said more often than every ``ServiceManager/watchdog``.
        case alive
        /// One line on what it does, for the administrator.
        case status(String)

        var assignment: String {
            switch self {
            case .ready: "READY=1"
            case .stopping: "STOPPING=1"
            case .alive: "WATCHDOG=1"
            // A line feed would begin another assignment.
            case .status(let text): "STATUS=" + text.split(whereSeparator: \.isNewline).joined(separator: " ")
            }
        }
    }

    /// A path, or the name of an abstract socket, which begins with `@`.
    let socket: String
    /// After how much silence it takes this process for stuck and ends it; nil if it does not watch.
    public let watchdog: Duration?

    /// - Parameters:
    ///   - variables: the process's environment: `NOTIFY_SOCKET`, `WATCHDOG_USEC` (microseconds) and `WATCHDOG_PID`.
    ///   - pid: this process: a watchdog meant for another one, an ancestor, is not ours to calm.
    /// - Returns: nil if nobody asked, or in a form that this protocol does not have.
    public init?(variables: (String) -> String?, pid: Int32) {
        guard let socket = variables("NOTIFY_SOCKET"), socket.hasPrefix("/") || socket.hasPrefix("@"), socket.utf8.count > 1,
              socket.utf8.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path) else { return nil }
        self.socket = socket
        let isOurs = variables("WATCHDOG_PID").map { Int32($0) == pid } ?? true
        watchdog = isOurs ? variables("WATCHDOG_USEC").flatMap { Int64($0) }.flatMap { $0 > 0 ? .microseconds($0) : nil } : nil
    }

    /// Of this process's own environment.
    public static func current() -> ServiceManager? {
        ServiceManager(variables: { name in getenv(name).map { String(cString: $0) } }, pid: getpid())
    }

    /// Sends one datagram, without waiting: it is called where nothing may block.
    /// - Throws: EAGAIN if the manager's queue is full.
    public func tell(_ messages: [Message]) throws(SystemError) {
        let descriptor = FileDescriptor(owning: Int32(try systemCall("socket") { rawCall(Int32(SYS_socket), Int(AF_UNIX), 2 | 0o2000000, 0) }))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { path in
            path.copyBytes(from: socket.utf8)
            if socket.hasPrefix("@") { path[0] = 0 }
        }
        // An abstract name ends with its last byte; a path may, the kernel adds the zero.
        let length = Int(MemoryLayout<sa_family_t>.size) + socket.utf8.count
        let text = Array(messages.map { $0.assignment + "\n" }.joined().utf8)
        _ = try systemCall("notify the service manager", path: socket) {
            text.withUnsafeBytes { bytes in
                withUnsafePointer(to: &address) {
                    rawCall(Int32(SYS_sendto), Int(descriptor.raw), bytes.baseAddress?.argument ?? 0, bytes.count, 0x4040 /* MSG_NOSIGNAL, MSG_DONTWAIT */, $0.argument, length)
                }
            }
        }
    }
}
