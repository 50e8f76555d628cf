public import KubeAPI
public import Netlink

/// A NetworkPolicy, reduced to what decides about traffic.
public struct TrafficPolicy: Sendable, Hashable {
    /// Whom a rule lets through.
    public enum Peer: Sendable, Hashable {
        /// Pods of the namespaces that match (nil: of the policy's own namespace) whose labels match (nil: all).
        case pods(namespaces: LabelRequirements?, labels: LabelRequirements?)
        case block(IPPrefix, except: [IPPrefix])
    }

    /// One entry of a rule's `ports`.
    public struct Port: Sendable, Hashable {
        public enum Number: Sendable, Hashable {
            case any
            case range(ClosedRange<UInt16>)
            /// A port of the pod that is called: each pod may give the name another number.
            case named(String)
        }
        /// IANA protocol number.
        public var transport: TransportProtocol
        public var number: Number
        public init(_ transport: TransportProtocol, _ number: Number) { (self.transport, self.number) = (transport, number) }
    }

    public struct Rule: Sendable, Hashable {
        /// Empty: everybody.
        public var peers: [Peer]
        /// Empty: every port of every protocol.
        public var ports: [Port]
        public init(peers: [Peer] = [], ports: [Port] = []) { (self.peers, self.ports) = (peers, ports) }
    }

    public var namespace: String
    /// Which pods of the namespace the policy is about.
    public var selector: LabelRequirements
    /// nil: the policy says nothing about what comes in; empty: nothing may.
    public var ingress: [Rule]?
    /// nil: the policy says nothing about what goes out; empty: nothing may.
    public var egress: [Rule]?

    public init(namespace: String, selector: LabelRequirements = .everything, ingress: [Rule]? = nil, egress: [Rule]? = nil) {
        (self.namespace, self.selector, self.ingress, self.egress) = (namespace, selector, ingress, egress)
    }
}

/// A pod of the cluster with an address of its own. Pods that share their node's network are not matched by selectors.
public struct PolicyPod: Sendable, Hashable {
    public struct Port: Sendable, Hashable {
        public var name: String
        public var transport: TransportProtocol
        public var number: UInt16
        public init(_ name: String, _ transport: TransportProtocol, _ number: UInt16) { (self.name, self.transport, self.number) = (name, transport, number) }
    }

    public var namespace: String
    public var labels: [String: String]
    public var addresses: [IPAddress]
    public var ports: [Port]

    public init(namespace: String, labels: [String: String] = [:], addresses: [IPAddress], ports: [Port] = []) {
        (self.namespace, self.labels, self.addresses, self.ports) = (namespace, labels, addresses, ports)
    }
}

public enum TrafficDirection: Sendable, Hashable, CaseIterable { case ingress, egress }
