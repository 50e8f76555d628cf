import ArgumentParser
import Glibc
import Kubelet
import LinuxSystem
import Logging
import PodNetwork
import Runtime

/// Plays the ledger back to a clean host: pods, mounts, links, cgroups, nftables, directories.
struct Reset: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "End every pod and leave the host as it was before Swiftlet.")

    @OptionGroup var directories: Directories
    @OptionGroup var node: NodeOptions

    @Flag(name: .shortAndLong, help: "Do not ask.")
    var yes = false

    func run() async throws {
        try Preflight.root(for: "swiftlet reset")
        if let pid = try PidFile.owner(directories.pidFile) {
            throw Failure("the agent (pid \(pid)) is running: stop it with 'swiftlet down' first")
        }
        if !yes {
            FileOutput.standardOutput("This ends every pod and removes \(directories.dataDir), \(directories.runDir) and \(node.logDir), the cluster's data included. Go on? [y/N] ")
            guard let answer = readLine(), ["y", "yes"].contains(answer.lowercased()) else { throw Failure("nothing was changed") }
        }
        var logger = Logger(label: "reset") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .warning
        let configuration = try NodeAgent.network(node), state = NodeAgent.networkState(directories)
        // The network goes last: pods give their addresses back while they are ended.
        if Files.exists(directories.dataDir) || Files.exists(directories.runDir) {
            let network = try PodNetwork(configuration: configuration, stateDirectory: state, logger: logger)
            try await NodeRuntime.reset(configuration: NodeAgent.runtime(directories, node), network: RuntimeNetwork(network), logger: logger)
            try await NodeTraffic.reset(network: network)
            try await PodNetwork.reset(configuration: configuration, stateDirectory: state, logger: logger)
        }
        try Kubelet.reset(dataDirectory: directories.dataDir, logDirectory: node.logDir)
        for path in [directories.runDir, directories.dataDir, node.logDir] where Files.exists(path) { try Files.removeTree(path) }
    }
}
