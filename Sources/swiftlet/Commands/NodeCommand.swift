import ArgumentParser
import LinuxSystem

/// The agent alone, as a node of a cluster whose control plane is elsewhere.
struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "run", abstract: "Run the agent of a node.")

    @OptionGroup var directories: Directories
    @OptionGroup var node: NodeOptions
    @OptionGroup var dns: DNSOptions
    @OptionGroup var logs: LogOptions

    @Option(name: .customLong("service-cidr"), help: "The addresses of Services.")
    var serviceCIDR = "10.96.0.0/16"

    @Option(help: "How to reach the API server, and as whom; by default the one that 'swiftlet up' makes.")
    var kubeconfig: String?

    func run() async throws {
        try Preflight.root(for: "swiftlet node")
        try Preflight.kernel(cgroupRoot: node.cgroups.cgroupRoot)
        try Preflight.directory(directories.dataDir, mode: 0o711)
        try Preflight.directory(directories.runDir, mode: 0o711)
        let pidFile = try PidFile.take(directories.pidFile)
        _ = try NodeAgent.cgroupPlace(directories, node)
        try Preflight.port(node.kubeletPort, of: "the kubelet", option: "--kubelet-port")
        let pki = directories.dataDir + "/pki"
        let path = kubeconfig ?? pki + "/kubelet.kubeconfig"
        guard Files.exists(path) else { throw Failure("found no kubeconfig at \(path): name one with --kubeconfig") }
        guard Files.exists(pki + "/kubelet.crt") else { throw Failure("found no serving certificate at \(pki)/kubelet.crt") }
        let logger = try logs.make("swiftlet")
        let agent = NodeAgent(
            directories: directories, options: node, dns: dns, serviceCIDR: serviceCIDR, nodeName: try node.nodeName ?? HostName.read(), addresses: [node.nodeIP ?? NodeAddress.detect()],
            kubeconfig: path, pki: pki, logger: logger)
        let signing = ClusterSigning(directory: pki, logger: logger)
        let service = ServiceReports(logger: logger)
        try await Interrupts.cancelling(stopping: service.stopping) {
            async let _ = service.beat()
            try await withThrowingTaskGroup(of: Void.self) { group in
                // Beside a control plane without the authority's key, this process signs for it.
                if let signing { group.addTask { await signing.run() } }
                group.addTask { try await agent.run { service.ready("the node's pods are managed") } }
                defer { group.cancelAll() }
                try await group.next()
            }
        }
        withExtendedLifetime(pidFile) {}
    }
}
