import APIServer
import ClusterTrust
import ControlPlane
import Controllers
import Foundation
import JSONTree
import KubeAPI
import KubeClient
import KubeHTTP
import KubeTypes
import Logging
import Storage
import SwiftASN1
import Testing
import X509

@testable import NodeBootstrap

/// An API server in this process, whose clients are whom their kubeconfig says.
private struct JoinServer: JoinConnections {
    static let url = "https://192.0.2.1:6443"
    let api: APIServer
    let authority: CertificateAuthority
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    /// What somebody in between does to an answer that nobody vouches for.
    var tampering: (@Sendable (JSON) -> JSON)?

    init() async throws {
        authority = try CertificateAuthority(commonName: "kubernetes", now: Date())
        api = try await APIServer.start(
            storage: SQLiteStorage.inMemory(), configuration: APIServerConfiguration(nodes: NodeConnection(tls: nil), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
    }

    var admin: KubeClient { client("admin", "system:masters") }
    func client(_ name: String, _ groups: String...) -> KubeClient {
        KubeClient(transport: HandlerTransport(api, user: ClientCertificate(commonName: name, organizations: groups)))
    }

    func unverified<Result: Sendable>(server: String, _ body: @Sendable (KubeClient) async throws -> Result) async throws -> Result {
        #expect(server == Self.url)
        return try await body(KubeClient(transport: AnonymousTransport(api: api, token: nil, tampering: tampering)))
    }

    func verified<Result: Sendable>(_ kubeconfig: Kubeconfig, _ body: @Sendable (KubeClient) async throws -> Result) async throws -> Result {
        guard kubeconfig.authority == (try authority.certificatePEM()) else { throw KubeError(reason: .connection, message: "certificate verify failed") }
        return try await body(KubeClient(transport: AnonymousTransport(api: api, token: kubeconfig.token, tampering: nil)))
    }

    /// Runs the controllers and the signer as long as the body.
    func run(_ body: () async throws -> Void) async throws {
        func controller(_ name: String) -> KubeClient {
            client("system:serviceaccount:kube-system:\(name)", "system:serviceaccounts", "system:serviceaccounts:kube-system")
        }
        let configuration = ClusterConfiguration(
            server: Self.url, authority: try authority.certificatePEM(), serviceRange: "10.96.0.0/16", podRange: "10.244.0.0/16", domain: "cluster.local", dns: nil)
        let manager = ControllerManager(
            client: controller, shared: client("system:kube-controller-manager"), rootCertificate: "pem", configuration: configuration, logger: logger)
        let signer = CertificateSigner(client: controller("certificate-controller"), authority: authority, longestSeconds: 3600, logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await manager.run() }
            group.addTask { await signer.run() }
            try await body()
            group.cancelAll()
        }
    }

    /// Makes a token and waits until cluster-info is signed with it.
    func makeToken(_ text: String = "abcdef.0123456789abcdef") async throws -> BootstrapToken {
        let token = try BootstrapToken(text)
        _ = try await admin.create(
            KubeTypes.Secret.resource, namespace: "kube-system", BootstrapTokenSecret(token: token, expiration: nil).secret)
        let maps = Informer<ConfigMap>(admin, namespace: "kube-public", logger: logger)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await maps.run() }
            for await change in maps.changes() { if change.object?.data["jws-kubeconfig-" + token.id] != nil { break } }
            group.cancelAll()
        }
        return token
    }
}

/// Requests without a certificate: of nobody, or of who has a token.
private struct AnonymousTransport: Transport {
    let api: APIServer
    let token: String?
    let tampering: (@Sendable (JSON) -> JSON)?

    private func with(_ request: APIRequest) -> (HandlerTransport, APIRequest) {
        var request = request
        if let token { request.headers.append(.init("authorization", "Bearer \(token)")) }
        return (HandlerTransport(api, user: nil), request)
    }

    func send(_ request: APIRequest) async throws -> APIResponse {
        let (transport, request) = with(request)
        var response = try await transport.send(request)
        if let tampering { response.body = tampering(try JSON(parsing: response.body)).bytes() }
        return response
    }

    func stream(_ request: APIRequest) async throws -> APIStream {
        let (transport, request) = with(request)
        return try await transport.stream(request)
    }
}

@Suite(.timeLimit(.minutes(2))) struct NodeJoinTests {
    private let directory: String

    init() throws {
        var template = Array("/tmp/swiftlet-join-XXXXXX".utf8CString)
        directory = String(cString: mkdtemp(&template))
    }

    private func cleaned(_ body: () async throws -> Void) async throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await body()
    }

    private func join(_ server: JoinServer, _ token: BootstrapToken, pins: [PublicKeyPin]? = nil, name: String = "node-2") throws -> NodeJoin {
        let pins = try pins ?? [PublicKeyPin(certificatePEM: server.authority.certificatePEM())]
        return NodeJoin(
            .init(server: "192.0.2.1:6443", token: token, pins: pins, nodeName: name, directory: directory + "/pki"), connections: server, logger: server.logger)
    }

    private func message(_ body: () async throws -> Void) async -> String {
        do {
            try await body()
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    private func file(_ name: String) throws -> String { try String(contentsOfFile: directory + "/pki/" + name, encoding: .utf8) }

    @Test("a token and a pin are enough to become a node")
    func joins() async throws {
        try await cleaned {
            let server = try await JoinServer()
            try await server.run {
                let token = try await server.makeToken()
                let own = try await join(server, token).run()
                let certificate = try Certificate(pemEncoded: own.clientCertificate ?? "")
                #expect(certificate.subject == (try DistinguishedName { OrganizationName("system:nodes"); CommonName("system:node:node-2") }))
                #expect(own.token == nil)
                #expect(try file("ca.crt") == server.authority.certificatePEM())
                let stored = try Kubeconfig(path: directory + "/pki/kubelet.kubeconfig")
                #expect(stored == own)
                #expect(stored.clientKey == (try file("kubelet-client.key")))
                for name in ["kubelet.kubeconfig", "kubelet-client.key"] {
                    let mode = try FileManager.default.attributesOfItem(atPath: directory + "/pki/" + name)[.posixPermissions] as? Int
                    #expect(mode == 0o600, "\(name)")
                }
                #expect(await message { _ = try await join(server, token).run() }.contains("this machine is a node of a cluster already"))
            }
        }
    }

    @Test("a wrong token, a wrong pin and a wrong server end with a line that says so, and leave nothing")
    func refusals() async throws {
        try await cleaned {
            let server = try await JoinServer()
            try await server.run {
                let token = try await server.makeToken()
                let unknown = await message { _ = try await join(server, BootstrapToken("ghijkl.0123456789abcdef")).run() }
                #expect(unknown.hasPrefix("token id \"ghijkl\" is invalid for this cluster or it has expired."))
                let wrong = await message { _ = try await join(server, BootstrapToken("abcdef.fedcba9876543210")).run() }
                #expect(wrong.hasPrefix("failed to verify JWS signature of received cluster info object"))
                let other = try PublicKeyPin(certificatePEM: CertificateAuthority(commonName: "kubernetes", now: Date()).certificatePEM())
                let pin = await message { _ = try await join(server, token, pins: [other]).run() }
                #expect(pin.contains("none of the public keys"))
                #expect(await message { _ = try await join(server, token, pins: []).run() }.contains("none of the public keys"))

                var between = server
                between.tampering = { map in
                    let text = (map[path: "data", "kubeconfig"]?.string ?? "").replacing("192.0.2.1", with: "192.0.2.66")
                    var map = map
                    map["data"]?["kubeconfig"] = .string(text)
                    return map
                }
                #expect(await message { _ = try await join(between, token).run() }.hasPrefix("failed to verify JWS signature"))
                #expect(!FileManager.default.fileExists(atPath: directory + "/pki"))
                // A second try after mending works.
                _ = try await join(server, token).run()
            }
        }
    }

    @Test("the name of a node that is there is taken; that of one that is gone is free")
    func names() async throws {
        try await cleaned {
            let server = try await JoinServer()
            try await server.run {
                let token = try await server.makeToken()
                func node(_ ready: String) -> JSON {
                    ["apiVersion": "v1", "kind": "Node", "metadata": ["name": "node-2"], "status": ["conditions": [["type": "Ready", "status": .string(ready)]]]]
                }
                _ = try await server.admin.create(Node.resource, node("True"))
                #expect(await message { _ = try await join(server, token).run() }.hasPrefix("a Node with name \"node-2\" and status \"Ready\" already exists in the cluster."))
                _ = try await server.admin.patch(Node.resource, name: "node-2", subresource: "status", node("False"))
                _ = try await join(server, token).run()
            }
        }
    }

    @Test("a request that is refused says why; a half-finished try goes on with its key")
    func refusedRequest() async throws {
        try await cleaned {
            let server = try await JoinServer()
            try await server.run {
                // A token of another group: nobody approves its request by himself.
                let token = try await server.makeToken()
                _ = try await server.admin.delete(
                    ClusterRoleBinding.resource, name: "kubeadm:node-autoapprove-bootstrap")
                let joining = Task { await message { _ = try await join(server, token).run() } }
                let requests = Informer<KubeTypes.CertificateSigningRequest>(server.admin, logger: server.logger)
                let name = await withTaskGroup(of: Void.self) { group in
                    group.addTask { await requests.run() }
                    defer { group.cancelAll() }
                    for await change in requests.changes() { if let request = change.object { return request.name } }
                    return ""
                }
                _ = try await server.admin.patch(
                    KubeTypes.CertificateSigningRequest.resource, name: name, subresource: "approval",
                    ["status": ["conditions": [["type": "Denied", "status": "True", "reason": "Unknown", "message": "not this one"]]]])
                #expect(await joining.value == "certificate signing request \(name) is denied, reason: Unknown, message: not this one")
                let key = try file("kubelet-client.key")
                _ = try await server.admin.delete(KubeTypes.CertificateSigningRequest.resource, name: name)
                let second = Task { try await join(server, token).run() }
                let again = Informer<KubeTypes.CertificateSigningRequest>(server.admin, logger: server.logger)
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await again.run() }
                    for await change in again.changes() { if change.object?.name == name { break } }
                    group.cancelAll()
                }
                _ = try await server.admin.patch(
                    KubeTypes.CertificateSigningRequest.resource, name: name, subresource: "approval",
                    ["status": ["conditions": [["type": "Approved", "status": "True", "reason": "Test"]]]])
                #expect(try await second.value.clientKey == key)
            }
        }
    }
}
