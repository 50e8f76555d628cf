public import KubeTypes
internal import KubeAPI
internal import Netlink

extension TrafficPolicy {
    /// Reads a NetworkPolicy. What cannot be read matches nothing, so that a policy never lets through more than it says.
    public init(_ policy: NetworkPolicy) {
        let spec = policy.spec
        // Without types a policy is about what comes in, and about what goes out if it has rules for that.
        let types = spec.policyTypes.isEmpty ? (spec.egress.isEmpty ? ["Ingress"] : ["Ingress", "Egress"]) : spec.policyTypes
        self.init(
            namespace: policy.namespace, selector: spec.podSelector.map(Self.requirements) ?? .everything,
            ingress: types.contains("Ingress") ? spec.ingress.map { Rule(from: $0.from, ports: $0.ports) } : nil,
            egress: types.contains("Egress") ? spec.egress.map { Rule(from: $0.to, ports: $0.ports) } : nil)
    }

    fileprivate static func requirements(_ selector: LabelSelector) -> LabelRequirements {
        do {
            return try LabelRequirements(selector: selector.json)
        } catch {
            return .nothing
        }
    }
}

extension LabelRequirements {
    /// Matches no object: a label cannot both be there and not.
    fileprivate static let nothing = LabelRequirements([Requirement(key: "", operator: .exists), Requirement(key: "", operator: .doesNotExist)])
}

extension TrafficPolicy.Rule {
    fileprivate init(from peers: [NetworkPolicyPeer], ports: [NetworkPolicyPort]) {
        let readable = peers.compactMap(TrafficPolicy.Peer.init)
        let numbers = ports.compactMap(TrafficPolicy.Port.init)
        // An empty list means everybody; one that only has entries that say nothing must not.
        let nobody = TrafficPolicy.Peer.pods(namespaces: .nothing, labels: nil)
        self.init(
            peers: readable.isEmpty && !peers.isEmpty ? [nobody] : readable, ports: numbers.isEmpty && !ports.isEmpty ? [.init(.tcp, .named(""))] : numbers)
    }
}

extension TrafficPolicy.Peer {
    fileprivate init?(_ peer: NetworkPolicyPeer) {
        if let block = peer.ipBlock {
            guard let prefix = IPPrefix(block.cidr) else { return nil }
            self = .block(prefix, except: block.except.compactMap { IPPrefix($0) })
            return
        }
        guard peer.podSelector != nil || peer.namespaceSelector != nil else { return nil }
        self = .pods(namespaces: peer.namespaceSelector.map(TrafficPolicy.requirements), labels: peer.podSelector.map(TrafficPolicy.requirements))
    }
}

extension TrafficPolicy.Port {
    fileprivate init?(_ port: NetworkPolicyPort) {
        guard let transport = TransportProtocol(port.protocol ?? "TCP") else { return nil }
        switch port.port {
        case nil: self.init(transport, .any)
        case .string(let name): self.init(transport, .named(name))
        case .int(let number):
            guard let first = UInt16(exactly: number), let last = UInt16(exactly: port.endPort ?? number), last >= first else { return nil }
            self.init(transport, .range(first...last))
        }
    }
}

extension TransportProtocol {
    /// `TCP`, `UDP` or `SCTP`.
    init?(_ name: String) {
        switch name {
        case "TCP": self = .tcp
        case "UDP": self = .udp
        case "SCTP": self = .sctp
        default: return nil
        }
    }
}

extension PolicyEnforcer.KnownPod {
    /// A pod that has an address of its own; nil for the others: not yet started, ended, or on the node's network.
    public init?(_ pod: Pod) {
        guard pod.status.phase != "Succeeded", pod.status.phase != "Failed", pod.spec.hostNetwork != true else { return nil }
        let known = PolicyPod(pod, addresses: pod.status.podIPs.map(\.ip))
        guard !known.addresses.isEmpty else { return nil }
        self.init(uid: pod.uid, pod: known)
    }
}

extension PolicyPod {
    /// - Parameter addresses: in place of those of the pod's status, which may not have been told yet.
    public init(_ pod: Pod, addresses: [String]) {
        let containers = pod.spec.containers + pod.spec.initContainers.filter { $0.restartPolicy == "Always" }
        let ports = containers.flatMap(\.ports).compactMap { port -> Port? in
            guard let name = port.name, let transport = TransportProtocol(port.protocol ?? "TCP"), let number = UInt16(exactly: port.containerPort) else { return nil }
            return Port(name, transport, number)
        }
        self.init(namespace: pod.namespace, labels: pod.metadata.labels, addresses: addresses.compactMap { IPAddress($0) }, ports: ports)
    }
}
