import ArgumentParser
import ClusterTrust
import KubeClient
import LinuxSystem
import NodeBootstrap

/// What a machine does as a node: `swiftlet node` runs the agent.
struct NodeCommands: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node", abstract: "Run the agent of a node, or join a cluster.", subcommands: [NodeCommand.self, NodeJoinCommand.self],
        defaultSubcommand: NodeCommand.self)
}

/// Makes this machine a node of a cluster: certificates, and nothing else. The agent runs afterwards.
struct NodeJoinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join", abstract: "Join a cluster: get this node's certificate by a token.",
        discussion: "On the control plane, 'swiftlet token create --print-join-command' prints the whole command.")

    @OptionGroup var directories: Directories
    @OptionGroup var logs: LogOptions

    @Argument(help: "The API server, host:port.")
    var server: String

    @Option(help: "The token, [a-z0-9]{6}.[a-z0-9]{16}.")
    var token: String

    @Option(name: [.customLong("discovery-token-ca-cert-hash"), .customLong("ca-hash")], help: "The pin of the cluster's authority, sha256:<hex>; more than one may be given.")
    var pins: [String] = []

    @Option(help: "The node's name; by default the host's.")
    var nodeName: String?

    func run() async throws {
        try Preflight.root(for: "swiftlet node join")
        guard !pins.isEmpty else {
            throw Failure("expected --discovery-token-ca-cert-hash sha256:<hex>, without which any server could be taken for the cluster: 'swiftlet token create --print-join-command' prints it")
        }
        let configuration: NodeJoin.Configuration
        do throws(ClusterTrustError) {
            configuration = NodeJoin.Configuration(
                server: server, token: try BootstrapToken(token), pins: try pins.map { text throws(ClusterTrustError) in try PublicKeyPin(text) },
                nodeName: try name(), directory: directories.dataDir + "/pki")
        } catch {
            throw Failure(error.description)
        }
        try Preflight.directory(directories.dataDir, mode: 0o711)
        let join = NodeJoin(configuration, logger: try logs.make("swiftlet"))
        try await Interrupts.cancelling {
            do {
                _ = try await join.run()
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                throw Failure("cannot join \(server): \(error)")
            }
        }
        FileOutput.standardOutput("This machine is the node \(configuration.nodeName) now.\n")
    }

    private func name() throws(ClusterTrustError) -> String {
        do { return try nodeName ?? HostName.read() } catch { throw ClusterTrustError("cannot read the host's name: \(error)") }
    }
}
