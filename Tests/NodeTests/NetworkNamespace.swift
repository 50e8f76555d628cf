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
