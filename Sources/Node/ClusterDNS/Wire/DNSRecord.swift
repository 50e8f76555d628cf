/// The type of a record, or what a question asks for.
public struct DNSType: RawRepresentable, Sendable, Hashable {
    public var rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let a = Self(rawValue: 1)
    public static let ns = Self(rawValue: 2)
    public static let cname = Self(rawValue: 5)
    public static let soa = Self(rawValue: 6)
    public static let ptr = Self(rawValue: 12)
    public static let mx = Self(rawValue: 15)
    public static let txt = Self(rawValue: 16)
    public static let aaaa = Self(rawValue: 28)
    public static let srv = Self(rawValue: 33)
    public static let dname = Self(rawValue: 39)
    public static let opt = Self(rawValue: 41)
    public static let axfr = Self(rawValue: 252)
    public static let any = Self(rawValue: 255)
}

/// A resource record of class IN, or of another class with its data as it is.
public struct DNSRecord: Sendable, Hashable {
    /// The data by type. Names in it may be compressed on the wire, so they have to be understood to be passed on.
    public enum Data: Sendable, Hashable {
        /// Four bytes.
        case a([UInt8])
        /// Sixteen bytes.
        case aaaa([UInt8])
        case ns(DNSName)
        case cname(DNSName)
        case ptr(DNSName)
        case dname(DNSName)
        case mx(preference: UInt16, DNSName)
        case srv(priority: UInt16, weight: UInt16, port: UInt16, target: DNSName)
        case soa(SOA)
        case txt([[UInt8]])
        /// Any other type, passed on as it came.
        case other(DNSType, [UInt8])

        public var type: DNSType {
            switch self {
            case .a: .a
            case .aaaa: .aaaa
            case .ns: .ns
            case .cname: .cname
            case .ptr: .ptr
            case .dname: .dname
            case .mx: .mx
            case .srv: .srv
            case .soa: .soa
            case .txt: .txt
            case .other(let type, _): type
            }
        }
    }

    /// The start of a zone's authority (RFC 1035, section 3.3.13); times in seconds.
    public struct SOA: Sendable, Hashable {
        public var primary: DNSName
        public var mailbox: DNSName
        public var serial: UInt32
        public var refresh: UInt32
        public var retry: UInt32
        public var expire: UInt32
        /// How long an answer that there is nothing may be kept (RFC 2308).
        public var minimum: UInt32
    }

    public var name: DNSName
    /// Seconds.
    public var ttl: UInt32
    public var data: Data
    /// 1 for IN.
    public var recordClass: UInt16

    public init(_ name: DNSName, ttl: UInt32, _ data: Data, recordClass: UInt16 = 1) {
        (self.name, self.ttl, self.data, self.recordClass) = (name, ttl, data, recordClass)
    }
}
