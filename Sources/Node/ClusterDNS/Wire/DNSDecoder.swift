/// Reads messages. Whatever the bytes are, it neither traps nor loops: a pointer may only lead backwards.
struct DNSDecoder {
    /// Records in one message; the counts in the header may claim more than the bytes can hold.
    private static let recordLimit = 4096

    private let bytes: [UInt8]
    private var offset = 0

    static func decode(_ bytes: [UInt8]) throws(DNSError) -> DNSMessage {
        var decoder = DNSDecoder(bytes)
        return try decoder.message()
    }

    private init(_ bytes: [UInt8]) { self.bytes = bytes }

    private mutating func message() throws(DNSError) -> DNSMessage {
        var message = DNSMessage(id: try uint16())
        let flags = try uint16()
        message.isResponse = flags & 0x8000 != 0
        message.opcode = UInt8(flags >> 11 & 15)
        message.isAuthoritative = flags & 0x0400 != 0
        message.isTruncated = flags & 0x0200 != 0
        message.recursionDesired = flags & 0x0100 != 0
        message.recursionAvailable = flags & 0x0080 != 0
        message.authenticData = flags & 0x0020 != 0
        message.checkingDisabled = flags & 0x0010 != 0
        message.code = .init(rawValue: flags & 15)
        let counts = (Int(try uint16()), Int(try uint16()), Int(try uint16()), Int(try uint16()))
        guard counts.0 + counts.1 + counts.2 + counts.3 <= Self.recordLimit else {
            throw DNSError(.malformed, "expected at most \(Self.recordLimit) records, found more")
        }
        for _ in 0..<counts.0 {
            let name = try self.name()
            message.questions.append(.init(name, DNSType(rawValue: try uint16()), questionClass: try uint16()))
        }
        for _ in 0..<counts.1 { if let record = try record(&message) { message.answers.append(record) } }
        for _ in 0..<counts.2 { if let record = try record(&message) { message.authorities.append(record) } }
        for _ in 0..<counts.3 { if let record = try record(&message) { message.additionals.append(record) } }
        return message
    }

    /// - Returns: `nil` for the OPT record, which goes into the message itself.
    private mutating func record(_ message: inout DNSMessage) throws(DNSError) -> DNSRecord? {
        let name = try self.name()
        let type = DNSType(rawValue: try uint16())
        let recordClass = try uint16()
        let ttl = try uint32()
        let length = Int(try uint16())
        guard bytes.count - offset >= length else { throw DNSError(.malformed, "expected \(length) bytes of record data, found \(bytes.count - offset)") }
        let end = offset + length
        defer { offset = end }
        if type == .opt {
            guard name.labels.isEmpty, message.edns == nil else { throw DNSError(.malformed, "expected one OPT record, at the root") }
            message.edns = .init(payloadSize: recordClass, version: UInt8(ttl >> 16 & 0xff), dnssecOK: ttl & 0x8000 != 0)
            message.code = .init(rawValue: UInt16(ttl >> 24) << 4 | message.code.rawValue)
            return nil
        }
        guard recordClass == 1 else { return DNSRecord(name, ttl: ttl, .other(type, Array(bytes[offset..<end])), recordClass: recordClass) }
        let data = try self.data(type, end: end)
        guard offset == end else { throw DNSError(.malformed, "expected \(length) bytes in a record of type \(type.rawValue), found another length") }
        // A TTL with its highest bit set counts as zero (RFC 2181, section 8).
        return DNSRecord(name, ttl: ttl > 0x7fff_ffff ? 0 : ttl, data)
    }

    private mutating func data(_ type: DNSType, end: Int) throws(DNSError) -> DNSRecord.Data {
        switch type {
        case .a: return .a(try take(4, end))
        case .aaaa: return .aaaa(try take(16, end))
        case .ns: return .ns(try name())
        case .cname: return .cname(try name())
        case .ptr: return .ptr(try name())
        case .dname: return .dname(try name())
        case .mx: return .mx(preference: try uint16(), try name())
        case .srv: return .srv(priority: try uint16(), weight: try uint16(), port: try uint16(), target: try name())
        case .soa:
            return .soa(.init(
                primary: try name(), mailbox: try name(), serial: try uint32(), refresh: try uint32(), retry: try uint32(), expire: try uint32(), minimum: try uint32()))
        case .txt:
            var texts: [[UInt8]] = []
            while offset < end {
                let count = Int(bytes[offset])
                offset += 1
                texts.append(try take(count, end))
            }
            return .txt(texts)
        default: return .other(type, try take(end - offset, end))
        }
    }

    private mutating func take(_ count: Int, _ end: Int) throws(DNSError) -> [UInt8] {
        guard count >= 0, end - offset >= count else { throw DNSError(.malformed, "expected \(count) bytes of record data, found \(end - offset)") }
        defer { offset += count }
        return Array(bytes[offset..<(offset + count)])
    }

    private mutating func uint16() throws(DNSError) -> UInt16 {
        guard bytes.count - offset >= 2 else { throw DNSError(.malformed, "the message ends too early, after \(bytes.count) bytes") }
        defer { offset += 2 }
        return UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
    }

    private mutating func uint32() throws(DNSError) -> UInt32 { UInt32(try uint16()) << 16 | UInt32(try uint16()) }

    /// Each pointer leads to a place before the name, or the part of it, that it ends: so there is an end.
    private mutating func name() throws(DNSError) -> DNSName {
        var labels: [[UInt8]] = []
        var size = 1
        var place = offset
        var start = offset
        var end: Int?
        while true {
            guard place < bytes.count else { throw DNSError(.malformed, "a name goes beyond the end of the message") }
            let length = Int(bytes[place])
            switch length >> 6 {
            case 0:
                guard length > 0 else {
                    offset = end ?? place + 1
                    guard let name = DNSName(labels: labels) else { throw DNSError(.malformed, "a name has an impossible label") }
                    return name
                }
                size += length + 1
                guard size <= 255, bytes.count - place - 1 >= length else { throw DNSError(.malformed, "a name is longer than 255 bytes or goes beyond the end") }
                labels.append(Array(bytes[(place + 1)...(place + length)]))
                place += length + 1
            case 3:
                guard place + 1 < bytes.count else { throw DNSError(.malformed, "a name goes beyond the end of the message") }
                let target = (length & 0x3f) << 8 | Int(bytes[place + 1])
                guard target < start else { throw DNSError(.malformed, "a name's pointer does not lead backwards") }
                if end == nil { end = place + 2 }
                (place, start) = (target, target)
            default:
                throw DNSError(.malformed, "a name has a label of an unknown kind")
            }
        }
    }
}
