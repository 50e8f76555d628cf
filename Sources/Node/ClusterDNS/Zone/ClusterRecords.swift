/// A namespace and a name.
public struct ObjectKey: Sendable, Hashable {
    public var namespace: String
    public var name: String

    public init(namespace: String, name: String) { (self.namespace, self.name) = (namespace, name) }
}

/// A port of a Service or of endpoints, as DNS needs it.
public struct NamedPort: Sendable, Hashable {
    /// Empty if it has none; then it has no SRV record of its own.
    public var name: String
    /// `tcp`, `udp` or `sctp`.
    public var transport: String
    public var number: UInt16

    public init(name: String, transport: String, number: UInt16) { (self.name, self.transport, self.number) = (name, transport, number) }
}

/// What DNS needs to know of a Service.
public struct ServiceRecord: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
        /// Addresses of 4 or 16 bytes.
        case clusterIP([[UInt8]])
        case headless
        case external(DNSName)
    }

    public var key: ObjectKey
    public var kind: Kind
    public var ports: [NamedPort]
    public var publishesNotReady: Bool

    public init(key: ObjectKey, kind: Kind, ports: [NamedPort] = [], publishesNotReady: Bool = false) {
        (self.key, self.kind, self.ports, self.publishesNotReady) = (key, kind, ports, publishesNotReady)
    }
}

/// What DNS needs to know of an EndpointSlice.
public struct SliceRecord: Sendable, Hashable {
    public struct Endpoint: Sendable, Hashable {
        /// 4 or 16 bytes each.
        public var addresses: [[UInt8]]
        public var hostname: String?
        public var isReady: Bool

        public init(addresses: [[UInt8]], hostname: String? = nil, isReady: Bool = true) {
            (self.addresses, self.hostname, self.isReady) = (addresses, hostname, isReady)
        }
    }

    public var key: ObjectKey
    /// The Service's name.
    public var service: String
    public var ports: [NamedPort]
    public var endpoints: [Endpoint]

    public init(key: ObjectKey, service: String, ports: [NamedPort], endpoints: [Endpoint]) {
        (self.key, self.service, self.ports, self.endpoints) = (key, service, ports, endpoints)
    }
}
