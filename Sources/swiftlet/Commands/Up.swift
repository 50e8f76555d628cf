import ArgumentParser
import ControlPlane
import FoundationEssentials
import Glibc
import LinuxSystem
import Logging

/// A cluster of this one machine: the agent, with the control plane as a child without root.
struct Up: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run a one-node cluster: the agent, and the control plane as its child.")

    @OptionGroup var directories: Directories
    @OptionGroup var node: NodeOptions
    @OptionGroup var controlPlane: ControlPlaneOptions
    @OptionGroup var dns: DNSOptions
    @OptionGroup var logs: LogOptions

    func run() async throws {
        try Preflight.root(for: "swiftlet up")
        try Preflight.kernel(cgroupRoot: node.cgroups.cgroupRoot)
        let user = try Account.named(controlPlane.user)
        try Preflight.reachable(directories.dataDir, by: user)
        // Others may pass through to what is theirs: the control plane's own directory lies in it.
        try Preflight.directory(directories.dataDir, mode: 0o711)
        try Preflight.directory(directories.runDir, mode: 0o711)
        let pidFile = try PidFile.take(directories.pidFile)
        _ = try NodeAgent.cgroupPlace(directories, node)
        try Preflight.port(controlPlane.apiPort, of: "the API server", option: "--api-port")
        try Preflight.port(node.kubeletPort, of: "the kubelet", option: "--kubelet-port")
        if !dns.clusterDNS.isEmpty { try Preflight.port(dns.dnsPort, of: "the DNS server", option: "--dns-port") }

        let logger = try logs.make("swiftlet")
        let address = node.nodeIP ?? NodeAddress.detect()
        let name = try node.nodeName ?? HostName.read()
        let pki = try controlPlane.pki(directories, user: user, nodeAddress: address)
        do {
            try pki.ensure(node: name, nodeAddresses: [address], now: Date())
        } catch {
            throw Failure("cannot make the cluster's certificates in \(directories.dataDir): \(error)")
        }
        let child = ControlPlaneChild(program: try Executable.path(), arguments: childArguments(address), logger: logger)
        let agent = NodeAgent(
            directories: directories, options: node, dns: dns, serviceCIDR: controlPlane.serviceCIDR, nodeName: name, addresses: [address], kubeconfig: pki.kubeletKubeconfig,
            pki: pki.rootDirectory, logger: logger)
        let kubeconfig = pki.adminKubeconfig
        let signing = ClusterSigning(directory: pki.rootDirectory, lifetime: pki.leafLifetime, logger: logger)
        let renewal = CertificateRenewal(pki: pki, node: name, nodeAddresses: [address], logger: logger)
        let service = ServiceReports(logger: logger)
        try await Interrupts.cancelling(stopping: service.stopping) {
            async let _ = service.beat()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    try await child.run {
                        logger.info("the API is served at https://\(address):\(controlPlane.apiPort); the administrator's kubeconfig is \(kubeconfig)")
                        service.ready("the API is served at https://\(address):\(controlPlane.apiPort)")
                    }
                }
                group.addTask { await renewal.run() }
                if let signing { group.addTask { await signing.run() } }
                // The agent does not wait for the API: what ran before runs on without it.
                group.addTask { try await agent.run() }
                defer { group.cancelAll() }
                try await group.next()
            }
        }
        withExtendedLifetime(pidFile) {}
    }

    private func childArguments(_ address: String) -> [String] {
        ["control-plane", "--supervised", "--data-dir", directories.dataDir, "--run-dir", directories.runDir, "--bind-address", controlPlane.bindAddress,
         "--api-port", "\(controlPlane.apiPort)", "--advertise-address", controlPlane.advertiseAddress ?? address, "--service-cidr", controlPlane.serviceCIDR, "--cluster-cidr", controlPlane.clusterCIDR, "--user", controlPlane.user, "--log-level", logs.logLevel] + dns.arguments
    }
}

/// This program's own file.
enum Executable {
    static func path() throws -> String { try Files.readLink("/proc/self/exe") }

    /// The shim: the one named, or the one beside this program.
    static func shim(_ named: String?) throws -> String {
        let path = try named ?? (String(path().reversed().drop { $0 != "/" }.reversed()) + "swiftlet-shim")
        guard access(path, X_OK) == 0 else { throw Failure("expected the program swiftlet-shim at \(path): build it, or name its place with --shim") }
        return path
    }
}
