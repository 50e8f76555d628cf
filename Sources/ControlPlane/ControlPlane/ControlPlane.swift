import APIServer
import Controllers
import KubeAPI
import KubeClient
import KubeHTTP
public import Logging
import Scheduler
import Storage

/// What a control plane is told at its start. Paths are its own: it needs no root.
public struct ControlPlaneConfiguration: Sendable {
    /// State and certificates: `storage.sqlite`, `pki/`.
    public var directory: String
    public var bindAddress: String
    public var port: Int
    /// Where pods and nodes reach the API server: the endpoint of the Service `kubernetes`.
    public var advertiseAddress: String
    /// The addresses of Services. The first one is the API server's.
    public var serviceRange: String
    public var logger: Logger
    /// The address of the cluster's DNS Service; empty: the cluster has its own DNS.
    public var clusterDNS = ""
    /// The port on which every node answers for it.
    public var dnsPort = 10053
    /// The domain below which the cluster's names are.
    public var clusterDomain = "cluster.local"
    /// The addresses of all pods: each node that has none gets a part of it.
    public var clusterRange = "10.244.0.0/16"
    /// The file of the authority's key, for a control plane that signs certificates itself; nil if another process does, which
    /// keeps the key from whoever gets hold of this one.
    public var signingKeyFile: String?
    /// How long certificates are valid that are signed for others, in seconds.
    public var signedLifetime = Int(CertificateAuthority.leafLifetime)

    public init(
        directory: String, bindAddress: String, port: Int, advertiseAddress: String = "127.0.0.1", serviceRange: String = "10.96.0.0/16", logger: Logger
    ) {
        self.directory = directory
        self.bindAddress = bindAddress
        self.port = port
        self.advertiseAddress = advertiseAddress
        self.serviceRange = serviceRange
        self.logger = logger
    }
}

/// API server, storage, scheduler and controllers in one process.
public enum ControlPlane {
    /// Runs until cancelled.
    /// - Parameter onReady: called once, when the API is served.
    /// - Throws: one error that says what is in the way: a port in use, a store of a newer version, missing certificates.
    public static func run(_ configuration: ControlPlaneConfiguration, onReady: @Sendable () -> Void) async throws {
        let logger = configuration.logger
        let storage = try await SQLiteStorage.open(directory: configuration.directory)
        let pki = configuration.directory + "/pki"
        let authorities = try required(pki + "/ca.crt")
        let nodes = try TLSClient(TLSMaterial(
            certificateChain: try required(pki + "/apiserver-kubelet-client.crt"), privateKey: try required(pki + "/apiserver-kubelet-client.key"),
            authorities: authorities))
        guard let serviceAddress = KubernetesService.firstAddress(of: configuration.serviceRange),
            let serviceRange = AddressRange(configuration.serviceRange)
        else {
            throw PKIError("expected a range of addresses for Services, found '\(configuration.serviceRange)'")
        }
        let api = try await APIServer.start(
            storage: storage,
            configuration: APIServerConfiguration(tokens: try tokenIssuer(configuration), nodes: NodeConnection(tls: nodes),
                services: ServiceRanges(addresses: serviceRange, nodePorts: ServiceRanges.standard.nodePorts), logger: logger))
        let nodeRanges = try NodeRanges(cluster: configuration.clusterRange)
        let signer = try signer(configuration, authorities, api)
        let tls = try TLSServer(TLSMaterial(
            certificateChain: try required(pki + "/apiserver.crt"), privateKey: try required(pki + "/apiserver.key"), authorities: authorities))
        let server = HTTPServer(
            configuration: HTTPServerConfiguration(host: configuration.bindAddress, port: configuration.port, tls: tls), handler: api, logger: logger)
        try await server.start()
        onReady()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do { try await server.run() } catch { logger.error("the API server ended: \(error)") }
            }
            group.addTask { await followCertificates(in: pki, server: tls, nodes: nodes, logger: logger) }
            group.addTask { await Compactor(storage: storage, clock: ContinuousClock()).run { logger.warning("compacting: \($0)") } }
            group.addTask {
                await Scheduler(client: client(api, ControlPlaneIdentity.scheduler), logger: logger).run()
            }
            group.addTask {
                let service = KubernetesService(
                    serviceAddress: serviceAddress, endpointAddress: configuration.advertiseAddress, endpointPort: configuration.port)
                await KubernetesServiceReconciler(client: client(api, ControlPlaneIdentity.apiServer), service: service, logger: logger).run()
            }
            group.addTask {
                await ClusterRoleAggregator(client: client(api, ControlPlaneIdentity.controller("clusterrole-aggregation-controller")), logger: logger).run()
            }
            let dns = configuration.clusterDNS.isEmpty ? nil : ClusterDNSService(clusterIP: configuration.clusterDNS, nodePort: configuration.dnsPort)
            group.addTask {
                await ControllerManager(
                    client: { client(api, ControlPlaneIdentity.controller($0)) }, shared: client(api, ControlPlaneIdentity.controllerManager),
                    rootCertificate: authorities, dns: dns, configuration: joinConfiguration(configuration, authorities), nodeRanges: nodeRanges, logger: logger
                ).run()
            }
            if let signer { group.addTask { await signer.run() } }
            // The first to end (the server, by cancellation or because its socket failed) ends all.
            await group.next()
            group.cancelAll()
        }
        await storage.close()
    }

    private static func client(_ api: APIServer, _ user: ClientCertificate) -> KubeClient {
        KubeClient(transport: HandlerTransport(api, user: user))
    }

    /// What nodes are told that join.
    private static func joinConfiguration(_ configuration: ControlPlaneConfiguration, _ authority: String) -> ClusterConfiguration {
        ClusterConfiguration(
            server: url(configuration), authority: authority, serviceRange: configuration.serviceRange, podRange: configuration.clusterRange,
            domain: configuration.clusterDomain, dns: configuration.clusterDNS.isEmpty ? nil : configuration.clusterDNS)
    }

    /// Who signs certificates in this process; nil if another one does.
    private static func signer(_ configuration: ControlPlaneConfiguration, _ authority: String, _ api: APIServer) throws -> CertificateSigner? {
        guard let file = configuration.signingKeyFile else { return nil }
        return CertificateSigner(
            client: client(api, ControlPlaneIdentity.controller("certificate-controller")),
            authority: try CertificateAuthority(certificatePEM: authority, keyPEM: try required(file)), longestSeconds: configuration.signedLifetime,
            logger: configuration.logger)
    }

    private static func url(_ configuration: ControlPlaneConfiguration) -> String {
        let address = configuration.advertiseAddress
        return "https://\(address.contains(":") ? "[\(address)]" : address):\(configuration.port)"
    }

    private static func tokenIssuer(_ configuration: ControlPlaneConfiguration) throws -> TokenIssuer {
        TokenIssuer(
            keys: try TokenKeys(signingKeyPEM: try required(configuration.directory + "/pki/sa.key")), keySetURL: url(configuration) + "/openid/v1/jwks")
    }

    private static func required(_ path: String) throws -> String {
        guard let text = try PrivateFiles.read(path) else { throw PKIError("expected the control plane's certificates, found no \(path)") }
        return text
    }
}
