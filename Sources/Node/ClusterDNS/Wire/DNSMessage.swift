/// A DNS message (RFC 1035, section 4; EDNS0 of RFC 6891).
public struct DNSMessage: Sendable, Hashable {
    public struct Question: Sendable, Hashable {
        public var name: DNSName
        public var type: DNSType
        /// 1 for IN, 255 for any.
        public var questionClass: UInt16

        public init(_ name: DNSName, _ type: DNSType, questionClass: UInt16 = 1) {
            (self.name, self.type, self.questionClass) = (name, type, questionClass)
        }
    }

    public struct ResponseCode: RawRepresentable, Sendable, Hashable {
        /// Twelve bits: the upper eight travel in the OPT record.
        public var rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        public static let noError = Self(rawValue: 0)
        public static let formatError = Self(rawValue: 1)
        public static let serverFailure = Self(rawValue: 2)
        public static let nameError = Self(rawValue: 3)
        public static let notImplemented = Self(rawValue: 4)
        public static let refused = Self(rawValue: 5)
        public static let badVersion = Self(rawValue: 16)
    }

    /// The OPT record.
    public struct EDNS: Sendable, Hashable {
        /// The largest UDP payload that the sender takes, in bytes.
        public var payloadSize: UInt16
        public var version: UInt8
        /// The sender wants DNSSEC's records.
        public var dnssecOK: Bool

        public init(payloadSize: UInt16, version: UInt8 = 0, dnssecOK: Bool = false) {
            (self.payloadSize, self.version, self.dnssecOK) = (payloadSize, version, dnssecOK)
        }
    }

    public var id: UInt16
    public var isResponse = false
    /// 0 is a query.
    public var opcode: UInt8 = 0
    public var isAuthoritative = false
    public var isTruncated = false
    public var recursionDesired = false
    public var recursionAvailable = false
    public var authenticData = false
    public var checkingDisabled = false
    public var code = ResponseCode.noError
    public var questions: [Question] = []
    public var answers: [DNSRecord] = []
    public var authorities: [DNSRecord] = []
    /// Without the OPT record.
    public var additionals: [DNSRecord] = []
    public var edns: EDNS?

    public init(id: UInt16) { self.id = id }

    /// An answer to this query, empty so far.
    public func response(_ code: ResponseCode = .noError) -> DNSMessage {
        var response = DNSMessage(id: id)
        response.isResponse = true
        response.opcode = opcode
        response.recursionDesired = recursionDesired
        response.recursionAvailable = true
        response.checkingDisabled = checkingDisabled
        response.code = code
        response.questions = questions
        // What asks with EDNS is answered with EDNS, and not otherwise.
        if let edns { response.edns = EDNS(payloadSize: Self.payloadLimit, dnssecOK: edns.dnssecOK) }
        return response
    }

    /// What this server sends and takes in one UDP packet, in bytes: it passes every link without fragments.
    public static let payloadLimit: UInt16 = 1232
    /// What a client without EDNS takes (RFC 1035, section 4.2.1).
    public static let plainLimit = 512

    /// How large an answer to this query may be over UDP, in bytes.
    public var udpLimit: Int {
        guard let edns else { return Self.plainLimit }
        return Int(min(max(edns.payloadSize, 512), Self.payloadLimit))
    }
}
