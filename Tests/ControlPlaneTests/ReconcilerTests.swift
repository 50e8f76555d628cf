import APIServer
import Controllers
import Glibc
import JSONTree
import KubeAPI
import KubeClient
import KubeHTTP
import KubeTypes
import Logging
import Storage
import Testing

@testable import ControlPlane

/// An API server in this process, with clients that act as whom a test says.
struct InProcessServer {
    let server: APIServer
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() async throws {
        server = try await APIServer.start(
            storage: SQLiteStorage.inMemory(), configuration: APIServerConfiguration(nodes: NodeConnection(tls: nil), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }))
    }

    var admin: KubeClient { client(.init(commonName: "kubernetes-admin", organizations: ["system:masters"])) }
    func client(_ user: ClientCertificate) -> KubeClient { KubeClient(transport: HandlerTransport(server, user: user)) }

    /// Waits until an object satisfies the condition.
    func wait<Object: KubeObject>(for type: Object.Type, _ name: String, in namespace: String? = nil, until condition: @escaping @Sendable (JSON) -> Bool) async {
        let informer = Informer<Object>(admin, namespace: namespace, options: ListOptions(fieldSelector: "metadata.name=\(name)"), logger: logger)
        let changes = informer.changes()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await informer.run() }
            for await change in changes {
                if case .deleted = change { continue }
                if let object = change.object, condition(object.json) { break }
            }
            group.cancelAll()
        }
    }
}

@Suite("The Service kubernetes", .timeLimit(.minutes(1)))
struct KubernetesServiceTests {
    private let service = KubernetesService(serviceAddress: "10.96.0.1", endpointAddress: "192.0.2.1", endpointPort: 6443)

    @Test func firstAddressOfARange() {
        #expect(KubernetesService.firstAddress(of: "10.96.0.0/16") == "10.96.0.1")
        #expect(KubernetesService.firstAddress(of: "fd00:10::/112") == "fd00:10::1")
        #expect(KubernetesService.firstAddress(of: "10.96.0.0") == nil)
    }

    @Test func whatHasToChange() {
        let desired = service.service
        #expect(KubernetesService.action(found: nil, desired: desired) == .create)
        #expect(KubernetesService.action(found: desired, desired: desired) == .nothing)
        var more = desired
        more["metadata"]?["resourceVersion"] = "7"
        more["metadata"]?["labels"]?["mine"] = "1"
        more["spec"]?["clusterIPs"] = ["10.96.0.1"]
        more["spec"]?["ports"] = [["name": "https", "protocol": "TCP", "port": 443, "targetPort": 6443, "nodePort": 30000]]
        #expect(KubernetesService.action(found: more, desired: desired) == .nothing, "what others add stays")
        more["spec"]?["ports"] = []
        #expect(KubernetesService.action(found: more, desired: desired) == .patch(["spec": ["ports": desired[path: "spec", "ports"] ?? .null]]))
        more["spec"]?["clusterIP"] = "10.96.0.9"
        #expect(KubernetesService.action(found: more, desired: desired) == .replace)
        var moved = service.slice
        moved["endpoints"] = [["addresses": ["192.0.2.9"], "conditions": ["ready": true]]]
        #expect(KubernetesService.action(found: moved, desired: service.slice) == .patch(["endpoints": service.slice["endpoints"] ?? .null]))
        moved["addressType"] = "IPv6"
        #expect(KubernetesService.action(found: moved, desired: service.slice) == .replace)
    }

    @Test("it comes, and comes back however it is disturbed")
    func keeping() async throws {
        let server = try await InProcessServer()
        let reconciler = KubernetesServiceReconciler(client: server.client(ControlPlaneIdentity.apiServer), service: service, logger: server.logger)
        let run = Task { await reconciler.run() }
        defer { run.cancel() }
        await server.wait(for: Service.self, "kubernetes", in: "default") { $0[path: "spec", "clusterIP"] == "10.96.0.1" }
        await server.wait(for: EndpointSlice.self, "kubernetes", in: "default") { $0["endpoints"]?[0]?["addresses"] == ["192.0.2.1"] }
        await server.wait(for: Endpoints.self, "kubernetes", in: "default") { $0["subsets"]?[0]?["ports"]?[0]?["port"] == 6443 }
        let first = try await server.admin.get(Service.resource, namespace: "default", name: "kubernetes")
        let uid = first[path: "metadata", "uid"]
        _ = try await server.admin.delete(Service.resource, namespace: "default", name: "kubernetes")
        await server.wait(for: Service.self, "kubernetes", in: "default") { $0[path: "metadata", "uid"] != uid && $0[path: "spec", "clusterIP"] == "10.96.0.1" }
        _ = try await server.admin.patch(EndpointSlice.resource, namespace: "default", name: "kubernetes", ["endpoints": []])
        await server.wait(for: EndpointSlice.self, "kubernetes", in: "default") { $0["endpoints"]?[0]?["addresses"] == ["192.0.2.1"] }
    }
}

@Suite("Cluster roles that gather others", .timeLimit(.minutes(1)))
struct ClusterRoleAggregatorTests {
    @Test("a role with the label reaches view, edit and admin")
    func chain() async throws {
        let server = try await InProcessServer()
        let client = server.client(ControlPlaneIdentity.controller("clusterrole-aggregation-controller"))
        let run = Task { await ClusterRoleAggregator(client: client, logger: server.logger).run() }
        defer { run.cancel() }
        let rule: JSON = ["apiGroups": ["example.com"], "resources": ["widgets"], "verbs": ["get"]]
        _ = try await server.admin.create(ClusterRole.resource, [
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": ["name": "widgets", "labels": .object(["rbac.authorization.k8s.io/aggregate-to-view": "true"])], "rules": [rule],
        ])
        for name in ["view", "edit", "admin"] { await server.wait(for: ClusterRole.self, name) { $0["rules"]?.array?.contains(rule) == true } }
        _ = try await server.admin.delete(ClusterRole.resource, name: "widgets")
        for name in ["view", "edit", "admin"] { await server.wait(for: ClusterRole.self, name) { $0["rules"]?.array?.contains(rule) == false } }
    }
}

/// Controllers do their work with the rights of their own service accounts.
@Suite("Controllers by their own names", .timeLimit(.minutes(1)))
struct ControllerIdentityTests {
    private func run(_ server: InProcessServer) -> Task<Void, Never> {
        let manager = ControllerManager(
            client: { server.client(ControlPlaneIdentity.controller($0)) }, shared: server.client(ControlPlaneIdentity.controllerManager), rootCertificate: "PEM", logger: server.logger)
        return Task { await manager.run() }
    }

    @Test("every namespace gets its account and the root certificate, again when they are gone or changed")
    func namespaceContents() async throws {
        let server = try await InProcessServer()
        let run = run(server)
        defer { run.cancel() }
        _ = try await server.admin.create(Namespace.resource, ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "new"]])
        await server.wait(for: ServiceAccount.self, "default", in: "new") { _ in true }
        await server.wait(for: ConfigMap.self, "kube-root-ca.crt", in: "new") { $0["data"] == .object(["ca.crt": "PEM"]) }
        let uid = try await server.admin.get(ConfigMap.resource, namespace: "new", name: "kube-root-ca.crt")[path: "metadata", "uid"]
        _ = try await server.admin.delete(ConfigMap.resource, namespace: "new", name: "kube-root-ca.crt")
        await server.wait(for: ConfigMap.self, "kube-root-ca.crt", in: "new") { $0[path: "metadata", "uid"] != uid }
        _ = try await server.admin.patch(ConfigMap.resource, namespace: "new", name: "kube-root-ca.crt", ["data": ["ca.crt": "other"]])
        await server.wait(for: ConfigMap.self, "kube-root-ca.crt", in: "new") { $0["data"] == .object(["ca.crt": "PEM"]) }
    }

    @Test("a deleted namespace goes, with what is in it")
    func namespaceDeletion() async throws {
        let server = try await InProcessServer()
        let run = run(server)
        defer { run.cancel() }
        _ = try await server.admin.create(Namespace.resource, ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": "old"]])
        await server.wait(for: ServiceAccount.self, "default", in: "old") { _ in true }
        let changes = Informer<Namespace>(server.admin, options: ListOptions(fieldSelector: "metadata.name=old"), logger: server.logger)
        let stream = changes.changes()
        let follow = Task { await changes.run() }
        defer { follow.cancel() }
        _ = try await server.admin.delete(Namespace.resource, name: "old")
        for await change in stream { if case .deleted = change { break } }
        await #expect(throws: KubeError.self) { _ = try await server.admin.get(Namespace.resource, name: "old") }
    }
}
