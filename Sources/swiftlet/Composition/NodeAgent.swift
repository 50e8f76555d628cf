import Cgroups
import ClusterDNS
import ControlPlane
import Glibc
import Images
import KubeClient
import KubeHTTP
import Kubelet
import LinuxSystem
import Logging
import Netlink
import PodNetwork
import Runtime
import ServiceProxy

/// The agent: images, network, runtime, kubelet and its API, put together.
struct NodeAgent: Sendable {
    var directories: Directories
    var options: NodeOptions
    var dns: DNSOptions
    var serviceCIDR: String
    var nodeName: String
    /// The primary one first.
    var addresses: [String]
    var kubeconfig: String
    /// The directory of `ca.crt` and of the kubelet's serving certificate.
    var pki: String
    var logger: Logger

    /// Runs until cancelled. Pods go on when it ends.
    /// - Parameter onReady: called when what ran before is managed again and the kubelet's API is served.
    func run(onReady: @escaping @Sendable () -> Void = {}) async throws {
        let images = try ImageStore(dataDirectory: directories.dataDir, logger: logger)
        let network = try PodNetwork(configuration: Self.network(options), stateDirectory: Self.networkState(directories), logger: logger)
        let runtime = try NodeRuntime(configuration: Self.runtime(directories, options), images: images, network: RuntimeNetwork(network), logger: logger)
        try Self.cgroupPlace(directories, options).keep()
        try await runtime.start()
        let audit = try await network.start(sandboxes: Set(runtime.sandboxes().map(\.id)))
        for sandbox in audit.broken { logger.warning("the network of sandbox \(sandbox) is gone") }
        await ImageFolder(path: directories.dataDir + "/images", images: images, logger: logger).importAll()

        let transport = try NetworkTransport(kubeconfig: Kubeconfig(path: kubeconfig))
        let client = KubeClient(transport: transport)
        let traffic = try NodeTraffic(network: network, node: description(), aliases: dnsAliases, client: client, logger: logger)
        let kubelet = try Kubelet(
            configuration: KubeletConfiguration(
                nodeName: nodeName, nodeAddresses: addresses, dataDirectory: directories.dataDir, logDirectory: options.logDir, port: options.kubeletPort,
                runtimeVersion: "swiftlet://\(Version.text)", podCIDRs: [options.podCIDR],
                clusterDNS: dns.clusterDNS.isEmpty ? [] : [dns.clusterDNS], clusterDomain: dns.clusterDomain, resolvConf: HostResolvers.path()),
            client: client, runtime: runtime, images: runtime, traffic: traffic, logger: logger)
        let names = try clusterDNS()
        let tls = try TLSServer(Self.material(try servingFiles.map { try Files.readString($0) }))
        let server = HTTPServer(configuration: HTTPServerConfiguration(host: "0.0.0.0", port: options.kubeletPort, tls: tls), handler: kubelet.handler, logger: logger)
        try await server.start()
        onReady()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            group.addTask { try await kubelet.run() }
            group.addTask { await traffic.run() }
            if let names { group.addTask { try await names.run(services: traffic.services, slices: traffic.slices) } }
            group.addTask { await followCertificates(tls, transport) }
            defer { group.cancelAll() }
            try await group.next()
        }
        await runtime.shutdown()
        try await transport.shutdown()
    }

    /// This node as its Services see it.
    private func description() throws -> NodeDescription {
        guard let services = IPPrefix(serviceCIDR) else { throw Failure("expected --service-cidr to be a range such as 10.96.0.0/16, found '\(serviceCIDR)'") }
        return NodeDescription(
            name: nodeName, addresses: addresses.compactMap { IPAddress($0) }, podCIDRs: try Self.network(options).podCIDRs, serviceCIDRs: [services])
    }

    /// Pods call the DNS Service at port 53; policies that allow that mean the port where this node answers.
    private var dnsAliases: [PortAlias] {
        guard !dns.clusterDNS.isEmpty, let port = UInt16(exactly: dns.dnsPort) else { return [] }
        return addresses.compactMap { IPAddress($0) }.flatMap { address in
            [TransportProtocol.udp, .tcp].map { PortAlias(address, $0, known: 53, served: port) }
        }
    }

    /// This node's share of the cluster's DNS; none if the cluster has its own.
    private func clusterDNS() throws -> ClusterDNS? {
        guard !dns.clusterDNS.isEmpty else { return nil }
        // On the address that the DNS Service's endpoint names, not on all: answers must come from where questions went.
        let configuration = ClusterDNSConfiguration(
            address: addresses[0], port: dns.dnsPort, domain: dns.clusterDomain, serviceAddresses: [dns.clusterDNS], resolvConf: HostResolvers.path())
        return try ClusterDNS(configuration: configuration, logger: logger)
    }

    private var servingFiles: [String] { [pki + "/kubelet.crt", pki + "/kubelet.key", pki + "/ca.crt"] }

    private static func material(_ texts: [String]) -> TLSMaterial {
        TLSMaterial(certificateChain: texts[0], privateKey: texts[1], authorities: texts[2])
    }

    /// Uses the agent's certificates, to serve and to be known by, as they are renewed.
    private func followCertificates(_ tls: TLSServer, _ transport: NetworkTransport) async {
        let (serving, client, path) = (FollowedFiles(servingFiles, logger: logger), FollowedFiles([kubeconfig], logger: logger), kubeconfig)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await serving.run { try tls.replace(with: Self.material($0)) } }
            group.addTask { await client.run { _ in try transport.replaceCredentials(Kubeconfig(path: path)) } }
        }
    }

    static func networkState(_ directories: Directories) -> String { directories.dataDir + "/network" }

    static func network(_ options: NodeOptions) throws -> PodNetworkConfiguration {
        guard let prefix = IPPrefix(options.podCIDR) else { throw Failure("expected --pod-cidr to be a range such as 10.244.0.0/24, found '\(options.podCIDR)'") }
        return PodNetworkConfiguration(podCIDRs: [prefix], clusterCIDRs: [prefix])
    }

    static func cgroupPlace(_ directories: Directories, _ options: NodeOptions) throws -> CgroupPlace {
        try CgroupPlace(asked: options.cgroups.cgroupParent, runDirectory: directories.runDir)
    }

    static func runtime(_ directories: Directories, _ options: NodeOptions) throws -> RuntimeConfiguration {
        RuntimeConfiguration(
            dataDirectory: directories.dataDir, runDirectory: directories.runDir,
            cgroupRoot: try CgroupRoot(mountPoint: options.cgroups.cgroupRoot, prefix: cgroupPlace(directories, options).parent), shimPath: try Executable.shim(options.shim))
    }
}

/// The pod network behind the runtime's protocol: the two modules do not know each other.
struct RuntimeNetwork: SandboxNetwork {
    private let network: PodNetwork
    init(_ network: PodNetwork) { self.network = network }

    func attach(sandbox: String, namespacePath: String) async throws -> [String] {
        try await network.attach(sandbox: sandbox, namespacePath: namespacePath)
    }

    func detach(sandbox: String, namespacePath: String) async throws {
        try await network.detach(sandbox: sandbox, namespacePath: namespacePath)
    }
}
