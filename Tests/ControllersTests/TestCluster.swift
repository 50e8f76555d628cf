import APIServer
import ControlPlane
import JSONTree
import KubeAPI
import KubeClient
import KubeHTTP
import KubeTypes
import Logging
import Storage
import Synchronization

@testable import Controllers

/// An API server in this process with all controllers, and a node that runs nothing but says what a node would say.
final class TestCluster: Sendable {
    let client: KubeClient
    let node: TestNode
    /// What the server refuses the controllers.
    let refusals: Refusals
    private let api: APIServer
    private let logger: Logger

    /// Runs the cluster as long as the body.
    /// - Parameter authority: signs certificates; nil if nobody does.
    static func run(
        clock: ControllerClock = .system, configuration join: ClusterConfiguration? = nil, nodeRanges: NodeRanges? = nil,
        authority: (any CertificateSigningAuthority)? = nil, _ body: (TestCluster) async throws -> Void
    ) async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .error
        let configuration = APIServerConfiguration(nodes: NodeConnection(tls: nil), logger: logger)
        let api = try await APIServer.start(storage: try SQLiteStorage.inMemory(), configuration: configuration)
        func transport(_ name: String, _ groups: [String]) -> HandlerTransport {
            HandlerTransport(api, user: ClientCertificate(commonName: name, organizations: groups))
        }
        func admin(_ name: String) -> KubeClient { KubeClient(transport: transport(name, ["system:masters"])) }
        let refusals = Refusals()
        let node = TestNode(client: admin("node"), clock: clock, logger: logger)
        let cluster = TestCluster(client: admin("admin"), node: node, refusals: refusals, api: api, logger: logger)
        // Each with the rights that it has in a cluster: a write that its role does not allow must show here.
        let client = { (name: String) in
            let user = "system:serviceaccount:kube-system:\(name)"
            let groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system"]
            return KubeClient(transport: RefusingTransport(base: transport(user, groups), refusals: refusals))
        }
        let manager = ControllerManager(
            client: client, shared: KubeClient(transport: transport("system:kube-controller-manager", [])), rootCertificate: "pem", dns: nil,
            configuration: join, nodeRanges: nodeRanges, clock: clock, logger: logger)
        let signer = authority.map {
            CertificateSigner(client: client("certificate-controller"), authority: $0, longestSeconds: 3600, clock: clock, logger: logger)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            if let signer { group.addTask { await signer.run() } }
            group.addTask { await manager.run() }
            group.addTask { await cluster.node.run() }
            // Without its account no pod is admitted.
            try await cluster.wait(ServiceAccount.self, named: "default") { _ in true }
            try await body(cluster)
            group.cancelAll()
        }
    }

    private init(client: KubeClient, node: TestNode, refusals: Refusals, api: APIServer, logger: Logger) {
        (self.client, self.node, self.refusals, self.api, self.logger) = (client, node, refusals, api, logger)
    }

    /// A client that is somebody else.
    func client(as user: String, groups: [String]) -> KubeClient {
        KubeClient(transport: HandlerTransport(api, user: ClientCertificate(commonName: user, organizations: groups)))
    }

    /// Waits until what there is of a kind is as it should be; every state that the watch tells of is looked at.
    @discardableResult
    func wait<Object: KubeObject>(
        _ type: Object.Type, in namespace: String? = "default", until holds: ([Object]) -> Bool
    ) async -> [Object] {
        let informer = Informer<Object>(client, namespace: Object.resource.namespaced ? namespace : nil, logger: logger)
        return await withTaskGroup(of: Void.self) { group in
            group.addTask { await informer.run() }
            defer { group.cancelAll() }
            var found: [ObjectName: Object] = [:]
            var isComplete = false
            for await change in informer.changes() {
                switch change {
                case .added(let object), .modified(let object, _): found[ObjectName(object)] = object
                case .deleted(let object): if found[ObjectName(object)]?.uid == object.uid { found[ObjectName(object)] = nil }
                case .synced: isComplete = true
                }
                let objects = found.values.sorted { $0.name < $1.name }
                if isComplete, holds(objects) { return objects }
            }
            return []
        }
    }

    /// Waits until one object is as it should be.
    @discardableResult
    func wait<Object: KubeObject>(_ type: Object.Type, named name: String, in namespace: String? = "default", until holds: (Object) -> Bool) async throws -> Object {
        let found = await wait(type, in: namespace) { objects in objects.first { $0.name == name }.map(holds) ?? false }
        guard let object = found.first(where: { $0.name == name }) else { throw CancellationError() }
        return object
    }

    func patch(_ resource: ResourceReference, _ name: String, namespace: String? = "default", _ patch: JSON) async throws {
        _ = try await client.patch(resource, namespace: namespace, name: name, patch)
    }

    /// - Parameter propagation: as `kubectl delete --cascade` asks.
    func delete(_ resource: ResourceReference, _ name: String, namespace: String? = "default", propagation: String = "Background") async throws {
        let options: JSON = ["apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": .string(propagation)]
        _ = try await client.call(APIRequest(
            .delete, resource.path(namespace: namespace, name: name), contentType: "application/json", body: options.bytes()))
    }

    func events(_ reason: String) async throws -> [String] {
        try await client.list(Event.self, namespace: "default").items.filter { $0.reason == reason }.compactMap(\.message).sorted()
    }
}

/// What the test wants the controllers to be refused.
final class Refusals: Sendable {
    private let state = Mutex<(refuses: @Sendable (APIRequest) -> Bool, count: Int)>(({ _ in false }, 0))

    var count: Int { state.withLock { $0.count } }
    func set(_ refuses: @escaping @Sendable (APIRequest) -> Bool) { state.withLock { $0.refuses = refuses } }

    fileprivate func refuses(_ request: APIRequest) -> Bool {
        state.withLock { state in
            guard state.refuses(request) else { return false }
            state.count += 1
            return true
        }
    }
}

private struct RefusingTransport: Transport {
    let base: HandlerTransport
    let refusals: Refusals

    func send(_ request: APIRequest) async throws -> APIResponse {
        guard refusals.refuses(request) else { return try await base.send(request) }
        let status: JSON = ["kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "message": "refused for a test", "code": 403]
        return APIResponse(status: 403, body: status.bytes())
    }

    func stream(_ request: APIRequest) async throws -> APIStream { try await base.stream(request) }
}

/// Binds every pod, makes it ready as told, and lets it go as told.
final class TestNode: Sendable {
    struct Behaviour: Sendable {
        /// Which pods become ready.
        var readies: @Sendable (Pod) -> Bool = { _ in true }
        /// Whether pods end when they are asked to.
        var ends = true
    }

    private let client: KubeClient
    private let clock: ControllerClock
    private let logger: Logger
    private let pods: Informer<Pod>
    private let behaviour = Mutex(Behaviour())
    private let lastAddress = Mutex(0)
    private let again: AsyncStream<Void>.Continuation
    private let repeats: AsyncStream<Void>

    init(client: KubeClient, clock: ControllerClock, logger: Logger) {
        (self.client, self.clock, self.logger) = (client, clock, logger)
        pods = Informer(client, logger: logger)
        (repeats, again) = AsyncStream.makeStream()
    }

    /// Changes what the node does, for pods that are there too.
    func set(_ change: @Sendable (inout Behaviour) -> Void) {
        behaviour.withLock { change(&$0) }
        again.yield()
    }

    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [self] in await pods.run() }
            group.addTask { [self] in for await change in pods.changes() { if let pod = change.object { await handle(pod) } } }
            group.addTask { [self] in for await _ in repeats { for pod in pods.objects { await handle(pod) } } }
        }
    }

    /// What cannot be done is another's doing: the next change tells.
    private func handle(_ pod: Pod) async {
        let behaviour = behaviour.withLock { $0 }
        if pod.metadata.deletionTimestamp != nil {
            guard behaviour.ends else { return }
            _ = try? await client.delete(Pod.resource, namespace: pod.namespace, name: pod.name, uid: pod.uid, gracePeriodSeconds: 0)
        } else if pod.spec.nodeName == nil {
            _ = try? await client.create(Pod.resource, namespace: pod.namespace, name: pod.name, subresource: "binding", [
                "apiVersion": "v1", "kind": "Binding", "metadata": ["name": .string(pod.name)],
                "target": ["apiVersion": "v1", "kind": "Node", "name": "node-1"],
            ])
        } else if pod.status.phase != "Running" || pod.isReady != behaviour.readies(pod) {
            await tell(pod, ready: behaviour.readies(pod))
        }
    }

    private func tell(_ pod: Pod, ready: Bool) async {
        let number = lastAddress.withLock { number in
            number += 1
            return number
        }
        let ip = pod.status.podIP ?? "10.244.\(number / 250).\(number % 250 + 1)"
        let condition: JSON = ["type": "Ready", "status": ready ? "True" : "False", "lastTransitionTime": .string(clock.now().description)]
        _ = try? await client.patch(
            Pod.resource, namespace: pod.namespace, name: pod.name, subresource: "status", type: .strategic,
            ["metadata": ["uid": .string(pod.uid)], "status": [
                "phase": "Running", "podIP": .string(ip), "podIPs": [["ip": .string(ip)]], "conditions": [condition],
            ]])
    }
}

extension JSON {
    static func deployment(_ name: String, replicas: Int, image: String = "web:1", _ spec: JSON = [:]) -> JSON {
        var all: JSON = [
            "replicas": JSON(replicas), "selector": ["matchLabels": ["app": .string(name)]], "template": .podTemplate(name, image: image),
        ]
        for (key, value) in spec.object ?? [:] { all[key] = value }
        return ["apiVersion": "apps/v1", "kind": "Deployment", "metadata": ["name": .string(name)], "spec": all]
    }

    static func replicaSet(_ name: String, replicas: Int, metadata: JSON = [:]) -> JSON {
        var all: JSON = ["name": .string(name)]
        for (key, value) in metadata.object ?? [:] { all[key] = value }
        return [
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": all,
            "spec": ["replicas": JSON(replicas), "selector": ["matchLabels": ["app": .string(name)]], "template": .podTemplate(name)],
        ]
    }

    static func podTemplate(_ app: String, image: String = "web:1") -> JSON {
        ["metadata": ["labels": ["app": .string(app)]], "spec": ["containers": [["name": "main", "image": .string(image)]]]]
    }

    static func pod(_ name: String, app: String, metadata: JSON = [:]) -> JSON {
        var pod = podTemplate(app)
        pod["apiVersion"] = "v1"
        pod["kind"] = "Pod"
        pod["metadata"]?["name"] = .string(name)
        for (key, value) in metadata.object ?? [:] { pod["metadata"]?[key] = value }
        return pod
    }

    static func configMap(_ name: String, metadata: JSON = [:]) -> JSON {
        var all: JSON = ["name": .string(name)]
        for (key, value) in metadata.object ?? [:] { all[key] = value }
        return ["apiVersion": "v1", "kind": "ConfigMap", "metadata": all]
    }
}
