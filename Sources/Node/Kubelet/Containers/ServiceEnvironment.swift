internal import KubeTypes

/// What the environment of containers tells of a Service.
struct ServiceRecord: Sendable, Hashable {
    struct Port: Sendable, Hashable {
        var name: String
        /// `TCP`, `UDP`, `SCTP`.
        var transport: String
        var number: Int
    }
    var namespace: String
    var name: String
    /// Empty or `None`: the Service has no address and is not told of.
    var address: String
    var ports: [Port]

    var hasAddress: Bool { !address.isEmpty && address != "None" }
}

extension ServiceRecord {
    init(_ service: Service) {
        self.init(
            namespace: service.namespace, name: service.name, address: service.spec.clusterIP ?? "",
            ports: service.spec.ports.map { Port(name: $0.name ?? "", transport: $0.protocol ?? "TCP", number: Int($0.port)) })
    }
}

/// The variables by which containers find Services without asking anybody, as Kubernetes and, before it, Docker named them.
enum ServiceEnvironment {
    /// - Parameter links: whether the pod wants the Services of its namespace (`enableServiceLinks`). The API server's is told always.
    static func variables(_ services: [ServiceRecord], namespace: String, links: Bool) -> [(name: String, value: String)] {
        services.filter { service in
            let isAPIServer = service.namespace == "default" && service.name == "kubernetes"
            return service.hasAddress && !service.ports.isEmpty && (isAPIServer || (links && service.namespace == namespace))
        }
        // Where the namespace has a Service of that name too, the API server's counts.
        .sorted { ($0.name, $0.namespace == "default" ? 0 : 1) < ($1.name, $1.namespace == "default" ? 0 : 1) }
        .reduce(into: [ServiceRecord]()) { unique, service in
            if unique.last?.name != service.name { unique.append(service) }
        }
        .flatMap(variables)
    }

    private static func variables(_ service: ServiceRecord) -> [(name: String, value: String)] {
        let name = word(service.name)
        var variables = [("\(name)_SERVICE_HOST", service.address), ("\(name)_SERVICE_PORT", "\(service.ports[0].number)")]
        for port in service.ports where !port.name.isEmpty { variables.append(("\(name)_SERVICE_PORT_\(word(port.name))", "\(port.number)")) }
        let host = service.address.contains(":") ? "[\(service.address)]" : service.address
        for (index, port) in service.ports.enumerated() {
            let transport = port.transport.lowercased()
            let url = "\(transport)://\(host):\(port.number)"
            if index == 0 { variables.append(("\(name)_PORT", url)) }
            let prefix = "\(name)_PORT_\(port.number)_\(port.transport.uppercased())"
            variables += [(prefix, url), ("\(prefix)_PROTO", transport), ("\(prefix)_PORT", "\(port.number)"), ("\(prefix)_ADDR", service.address)]
        }
        return variables
    }

    private static func word(_ name: String) -> String { String(name.uppercased().map { $0 == "-" ? "_" : $0 }) }
}

/// The cluster's Services, as far as environments need them: one watch for the node.
actor ServiceDirectory {
    enum Change: Sendable {
        case changed(ServiceRecord)
        case removed(namespace: String, name: String)
        case synchronized
    }

    /// How long a container's start waits for the first list.
    static let patience = Duration.seconds(10)

    private let client: any KubeletAPIClient
    private let clock: any KubeletClock
    private var services: [String: [String: ServiceRecord]] = [:]
    private var isComplete = false
    private var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
    private var nextWaiter = 0

    init(client: any KubeletAPIClient, clock: any KubeletClock) { (self.client, self.clock) = (client, clock) }

    /// Follows the Services until cancelled.
    func run() async {
        for await change in client.services() {
            switch change {
            case .changed(let service): services[service.namespace, default: [:]][service.name] = service
            case .removed(let namespace, let name):
                services[namespace]?[name] = nil
                if services[namespace]?.isEmpty == true { services[namespace] = nil }
            case .synchronized:
                isComplete = true
                for waiter in waiters.values { waiter.resume() }
                waiters = [:]
            }
        }
    }

    /// The variables for the containers of a pod. Waits for the first list of Services: a container cannot be told later.
    func variables(namespace: String, links: Bool) async throws -> [(name: String, value: String)] {
        if !isComplete { await waitForList() }
        guard isComplete else { throw KubeletError(.createContainerConfig, "services have not yet been read at least once, cannot construct envvars") }
        var records = Array((services[namespace] ?? [:]).values)
        if namespace != "default", let server = services["default"]?["kubernetes"] { records.append(server) }
        return ServiceEnvironment.variables(records, namespace: namespace, links: links)
    }

    private func waitForList() async {
        nextWaiter += 1
        let number = nextWaiter
        let clock = clock
        // Unstructured: it only ends a wait that the list did not end.
        let limit = Task { [weak self] in
            try? await clock.sleep(for: Self.patience)  // However the sleep ends, the wait does too.
            await self?.endWait(number)
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if isComplete || Task.isCancelled { continuation.resume() } else { waiters[number] = continuation }
            }
        } onCancel: {
            limit.cancel()
        }
        limit.cancel()
    }

    private func endWait(_ number: Int) { waiters.removeValue(forKey: number)?.resume() }
}
