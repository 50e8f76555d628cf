import ArgumentParser
import Glibc

/// The program: commands, configuration, composition. No logic of its own.
@main
struct Swiftlet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftlet",
        abstract: "A Kubernetes node, and a small control plane for it.",
        version: Version.text,
        subcommands: [Up.self, Down.self, Reset.self, NodeCommands.self, ControlPlaneCommand.self, CertificatesCommand.self, ImageCommand.self, TokenCommand.self])

    static func main() async {
        // A client that goes away must end a write with EPIPE, not the agent. Shims and containers start with defaults.
        signal(SIGPIPE, SIG_IGN)
        // What the caller's shell hides from others must not decide who can reach the node's directories.
        umask(0o022)
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as Failure {
            failure.report()
            Glibc.exit(1)
        } catch is CancellationError {
            Glibc.exit(0)
        } catch {
            exit(withError: error)
        }
    }
}

enum Version {
    /// The release of Swiftlet.
    static let text = "0.1.0"
}

/// Why a command cannot do what it was asked: one line, and what to do about it.
struct Failure: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }

    func report() {
        FileOutput.standardError("swiftlet: \(description)\n")
    }
}

enum FileOutput {
    static func standardError(_ text: String) { write(text, to: 2) }
    static func standardOutput(_ text: String) { write(text, to: 1) }

    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            // Nobody reads what is printed: there is nowhere left to say so.
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}
