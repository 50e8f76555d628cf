import Glibc
import LinuxSystem
import Testing

/// A network namespace for one test, gone when nobody holds it any more. It has no name: nothing is mounted.
final class NetworkNamespace: Sendable {
    private let descriptor: FileDescriptor

    /// For this process and its threads.
    var path: String { "/proc/self/fd/\(descriptor.raw)" }

    init() throws {
        descriptor = try Namespaces.onOwnThread {
            Result {
                try Namespaces.unshare(.network)
                return try Namespaces.open("/proc/thread-self/ns/net")
            }
        }.get()
    }

    /// Runs a command inside; its output.
    @discardableResult
    func run(_ command: String...) throws -> String { try run(command) }

    @discardableResult
    func run(_ command: [String]) throws -> String {
        try Commands.run(["nsenter", "--net=/proc/\(try Files.readLink("/proc/self"))/fd/\(descriptor.raw)", "--"] + command)
    }

    /// Whether a port where nobody listens refuses a connection: the packet came there, and its answer back.
    ///
    /// The time counts from the packet on, no program is started: on a slow machine a start takes longer than the way.
    func isRefused(by address: String, port: UInt16, within timeout: Duration) throws -> Bool {
        try Namespaces.inside(path, .network) {
            let raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            guard raw >= 0 else { throw SystemError(operation: "socket", errno: errno) }
            defer { close(raw) }
            var target = sockaddr_in()
            target.sin_family = sa_family_t(AF_INET)
            target.sin_port = port.bigEndian
            guard inet_pton(AF_INET, address, &target.sin_addr) == 1 else { throw SystemError(operation: "parse \(address)", errno: EINVAL) }
            let started = withUnsafePointer(to: target) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
            }
            if started < 0, errno != EINPROGRESS { return errno == ECONNREFUSED }
            var event = pollfd(fd: raw, events: Int16(POLLOUT), revents: 0)
            guard poll(&event, 1, Int32(timeout / .milliseconds(1))) == 1 else { return false }
            var error: Int32 = 0, size = socklen_t(MemoryLayout<Int32>.size)
            guard getsockopt(raw, SOL_SOCKET, SO_ERROR, &error, &size) == 0 else { throw SystemError(operation: "getsockopt", errno: errno) }
            return error == ECONNREFUSED
        }
    }
}

/// Programs that tests compare with.
enum Commands {
    struct Failure: Error, CustomStringConvertible {
        var command: [String]
        var code: Int32
        var output: String
        var description: String { "\(command.joined(separator: " ")): exit code \(code): \(output)" }
    }

    /// Runs the command to its end; output and errors together.
    /// - Throws: ``Failure`` if the exit code is not 0.
    @discardableResult
    static func run(_ command: [String]) throws -> String {
        let null = try openFile("/dev/null", .readWrite)
        let (read, write) = try Descriptors.pipe()
        let pid = try Processes.spawn(
            "/usr/bin/env", arguments: ["env"] + command, environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"],
            descriptors: [null.raw, write.raw, write.raw])
        write.close()
        let output = String(decoding: try read.readAll(), as: UTF8.self)
        let code = try Processes.wait(.pid(pid), blocking: true)?.code ?? -1
        guard code == 0 else { throw Failure(command: command, code: code, output: output) }
        return output
    }
}
