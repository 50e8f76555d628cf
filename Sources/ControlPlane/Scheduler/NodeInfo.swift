public import KubeAPI
public import KubeTypes

/// A node as the scheduler sees it: the object, and what the pods bound to it have taken.
public struct NodeInfo: Sendable {
    public let node: Node
    public private(set) var requested = PodResources()
    public private(set) var podCount = 0
    /// Host ports in use: protocol, address and port.
    public private(set) var hostPorts: Set<HostPort> = []

    public var name: String { node.metadata.name ?? "" }

    public init(node: Node, pods: [Pod] = []) {
        self.node = node
        for pod in pods { add(pod) }
    }

    /// Counts a pod that is bound here and has not ended.
    public mutating func add(_ pod: Pod) {
        requested.add(PodResources(of: pod))
        podCount += 1
        hostPorts.formUnion(HostPort.all(of: pod))
    }

    /// Allocatable amount of a resource; nil if the node has none of it.
    func allocatable(_ resource: String) -> Quantity? {
        node.status.allocatable[resource]
    }
}

/// The amounts that a pod asks for, by resource name: CPU in thousandths, everything else in units.
public struct PodResources: Sendable, Equatable {
    public private(set) var amounts: [String: Int64] = [:]

    public init() {}

    /// Kubernetes' rule: the sum over the containers and sidecars, or the largest init container (with the sidecars
    /// that started before it) if that is more, plus the overhead. Pod-level requests replace what they name.
    public init(of pod: Pod) {
        let spec = pod.spec
        var running = PodResources(), peak = PodResources()
        for container in spec.initContainers {
            let own = PodResources(requests: container.resources?.requests ?? [:])
            if container.restartPolicy == "Always" {
                running.add(own)
                peak.raise(to: running)
            } else {
                var during = running
                during.add(own)
                peak.raise(to: during)
            }
        }
        for container in spec.containers { running.add(PodResources(requests: container.resources?.requests ?? [:])) }
        running.raise(to: peak)
        for (name, amount) in PodResources(requests: spec.resources?.requests ?? [:]).amounts { running.amounts[name] = amount }
        running.add(PodResources(requests: spec.overhead))
        self = running
    }

    init(requests: [String: Quantity]) {
        for (name, quantity) in requests { amounts[name] = Self.units(quantity, of: name) }
    }

    mutating func add(_ other: PodResources) {
        for (name, amount) in other.amounts {
            let (sum, overflow) = amounts[name, default: 0].addingReportingOverflow(amount)
            amounts[name] = overflow ? .max : sum
        }
    }

    private mutating func raise(to other: PodResources) {
        for (name, amount) in other.amounts { amounts[name] = max(amounts[name, default: 0], amount) }
    }

    static func units(_ quantity: Quantity, of resource: String) -> Int64 {
        resource == "cpu" ? quantity.milliValue : quantity.value
    }
}

/// A host port that a container takes.
public struct HostPort: Sendable, Hashable {
    let `protocol`: String
    let address: String
    let port: Int

    static func all(of pod: Pod) -> [HostPort] {
        let spec = pod.spec
        return (spec.containers + spec.initContainers.filter { $0.restartPolicy == "Always" }).flatMap(\.ports).compactMap { port in
            guard let number = port.hostPort, number > 0 else { return nil }
            return HostPort(protocol: port.protocol ?? "TCP", address: port.hostIP ?? "0.0.0.0", port: number)
        }
    }

    /// The wildcard address takes the port on every address.
    func conflicts(with other: HostPort) -> Bool {
        `protocol` == other.protocol && port == other.port
            && (address == other.address || Self.wildcards.contains(address) || Self.wildcards.contains(other.address))
    }

    private static let wildcards: Set<String> = ["", "0.0.0.0", "::"]
}
