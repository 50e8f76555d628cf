internal import KubeAPI
public import Netlink

/// A port that users know, and where it is really served: the cluster's DNS is called at 53 and answers at a high port of the
/// node. Packets are judged after the redirection, and a policy that allows the one must allow the other.
public struct PortAlias: Sendable, Hashable {
    public var address: IPAddress
    public var transport: TransportProtocol
    public var known: UInt16
    public var served: UInt16
    public init(_ address: IPAddress, _ transport: TransportProtocol, known: UInt16, served: UInt16) {
        (self.address, self.transport, self.known, self.served) = (address, transport, known, served)
    }
}

/// What policies say at one moment. Pure: the same snapshot always answers the same.
public struct PolicySnapshot: Sendable {
    private let policies: [String: [TrafficPolicy]]
    private let pods: [String: [PolicyPod]]
    private let namespaces: [String: [String: String]]
    private let aliases: [PortAlias]

    /// - Parameters:
    ///   - namespaces: labels by name.
    ///   - aliases: what is served at another port than the one that users know.
    public init(policies: [TrafficPolicy], pods: [PolicyPod], namespaces: [String: [String: String]], aliases: [PortAlias] = []) {
        self.policies = Dictionary(grouping: policies, by: \.namespace)
        self.pods = Dictionary(grouping: pods, by: \.namespace)
        self.namespaces = namespaces
        self.aliases = aliases
    }

    /// What a pod may receive or send; nil if no policy is about it in this direction: then everything is allowed.
    ///
    /// Policies add up: what any of them permits is permitted. Replies belong to the connection and are not looked at.
    public func allowed(_ direction: TrafficDirection, for pod: PolicyPod) -> AllowedTraffic? {
        var permitted: [AllowedTraffic.Entry]?
        for policy in policies[pod.namespace] ?? [] where policy.selector.matches(pod.labels) {
            guard let rules = direction == .ingress ? policy.ingress : policy.egress else { continue }
            permitted = (permitted ?? []) + rules.flatMap { entries($0, of: policy, direction, pod) }
        }
        // Nothing keeps a pod from itself, which it may reach through a Service.
        guard let permitted else { return nil }
        let allowed = AllowedTraffic(permitted + hosts(of: pod, .everything))
        let redirected = direction == .ingress ? [] : aliases.filter { allowed.contains($0.address, $0.transport, $0.known) }.map { alias in
            AllowedTraffic.Entry(alias.address...alias.address, PortSet([PortSet.Range(alias.transport, alias.served...alias.served)]))
        }
        return redirected.isEmpty ? allowed : AllowedTraffic(allowed.entries + redirected)
    }

    private func entries(_ rule: TrafficPolicy.Rule, of policy: TrafficPolicy, _ direction: TrafficDirection, _ pod: PolicyPod) -> [AllowedTraffic.Entry] {
        // The called pod gives its ports their names: for what comes in the pod itself, for what goes out the peer.
        let own = direction == .ingress ? numbers(rule.ports, of: pod) : numbers(rule.ports, of: nil)
        guard !rule.peers.isEmpty else {
            var everybody = [IPAddress.Family.v4, .v6].map { AllowedTraffic.Entry($0.first...$0.last, own) }
            if direction == .egress, rule.ports.contains(where: \.isNamed) {
                everybody += pods.values.joined().flatMap { peer in hosts(of: peer, numbers(rule.ports, of: peer)) }
            }
            return everybody
        }
        return rule.peers.flatMap { peer -> [AllowedTraffic.Entry] in
            switch peer {
            case .block(let prefix, let except): Self.ranges(prefix, without: except).map { AllowedTraffic.Entry($0, own) }
            case .pods(let namespaces, let labels):
                matching(namespaces, labels, in: policy.namespace).flatMap { hosts(of: $0, direction == .ingress ? own : numbers(rule.ports, of: $0)) }
            }
        }
    }

    private func hosts(of pod: PolicyPod, _ ports: PortSet) -> [AllowedTraffic.Entry] {
        pod.addresses.map { AllowedTraffic.Entry($0...$0, ports) }
    }

    private func matching(_ namespaceSelector: LabelRequirements?, _ labels: LabelRequirements?, in own: String) -> [PolicyPod] {
        let names = namespaceSelector.map { selector in namespaces.filter { selector.matches($0.value) }.map(\.key) } ?? [own]
        return names.flatMap { pods[$0] ?? [] }.filter { labels?.matches($0.labels) ?? true }
    }

    /// - Parameter pod: who gives names their numbers; without it a name stands for nothing.
    private func numbers(_ ports: [TrafficPolicy.Port], of pod: PolicyPod?) -> PortSet {
        guard !ports.isEmpty else { return .everything }
        return PortSet(ports.flatMap { port -> [PortSet.Range] in
            switch port.number {
            case .any: [PortSet.Range(port.transport, 0...UInt16.max)]
            case .range(let numbers): [PortSet.Range(port.transport, numbers)]
            case .named(let name):
                (pod?.ports ?? []).filter { $0.name == name && $0.transport == port.transport }.map { PortSet.Range(port.transport, $0.number...$0.number) }
            }
        })
    }

    /// A block with holes in it.
    static func ranges(_ prefix: IPPrefix, without except: [IPPrefix]) -> [ClosedRange<IPAddress>] {
        let whole = prefix.range
        var found: [ClosedRange<IPAddress>] = []
        var place: IPAddress? = whole.lowerBound
        let holes = except.filter { $0.address.family == prefix.address.family }.map(\.range).sorted { $0.lowerBound < $1.lowerBound }
        for hole in holes where hole.upperBound >= whole.lowerBound && hole.lowerBound <= whole.upperBound {
            guard let from = place else { break }
            if hole.lowerBound > from, let before = hole.lowerBound.predecessor { found.append(from...before) }
            if hole.upperBound >= from { place = hole.upperBound.advanced(by: 1) }
        }
        if let from = place, from <= whole.upperBound { found.append(from...whole.upperBound) }
        return found
    }
}

extension TrafficPolicy.Port {
    var isNamed: Bool { if case .named = number { true } else { false } }
}
