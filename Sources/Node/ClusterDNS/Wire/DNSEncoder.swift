/// Writes messages, with names compressed.
struct DNSEncoder {
    private var bytes: [UInt8] = []
    /// Where a name, or the end of one, stands already. Pointers reach the first 16 KB.
    private var places: [DNSName: Int] = [:]
    /// The names in `places` in the order they came, so that a record can be taken back.
    private var placed: [DNSName] = []

    /// The message in at most `limit` bytes. Additional records are left out first, and for want of room nobody is told; if
    /// answers or authorities are left out, the message says that it is truncated.
    static func encode(_ message: DNSMessage, limit: Int) -> [UInt8] {
        var encoder = DNSEncoder()
        let reserved = message.edns == nil ? 0 : 11
        encoder.header(message)
        for question in message.questions {
            encoder.name(question.name)
            encoder.uint16(question.type.rawValue)
            encoder.uint16(question.questionClass)
        }
        var counts = (0, 0, 0)
        var isTruncated = message.isTruncated
        for record in message.answers {
            guard !isTruncated, encoder.fits(record, limit - reserved) else { isTruncated = true; break }
            counts.0 += 1
        }
        for record in message.authorities where !isTruncated {
            guard encoder.fits(record, limit - reserved) else { isTruncated = true; break }
            counts.1 += 1
        }
        for record in message.additionals where !isTruncated {
            guard encoder.fits(record, limit - reserved) else { break }
            counts.2 += 1
        }
        if let edns = message.edns {
            encoder.opt(edns, message.code)
            counts.2 += 1
        }
        if isTruncated { encoder.bytes[2] |= 0x02 }
        encoder.patch(message.questions.count, at: 4)
        encoder.patch(counts.0, at: 6)
        encoder.patch(counts.1, at: 8)
        encoder.patch(counts.2, at: 10)
        return encoder.bytes
    }

    private mutating func header(_ message: DNSMessage) {
        uint16(message.id)
        var flags = UInt16(message.opcode & 15) << 11 | message.code.rawValue & 15
        if message.isResponse { flags |= 0x8000 }
        if message.isAuthoritative { flags |= 0x0400 }
        if message.recursionDesired { flags |= 0x0100 }
        if message.recursionAvailable { flags |= 0x0080 }
        if message.authenticData { flags |= 0x0020 }
        if message.checkingDisabled { flags |= 0x0010 }
        uint16(flags)
        bytes += [UInt8](repeating: 0, count: 8)
    }

    private mutating func patch(_ count: Int, at place: Int) {
        bytes[place] = UInt8(count >> 8 & 0xff)
        bytes[place + 1] = UInt8(count & 0xff)
    }

    private mutating func opt(_ edns: DNSMessage.EDNS, _ code: DNSMessage.ResponseCode) {
        bytes.append(0)
        uint16(DNSType.opt.rawValue)
        uint16(edns.payloadSize)
        uint32(UInt32(code.rawValue >> 4 & 0xff) << 24 | UInt32(edns.version) << 16 | (edns.dnssecOK ? 0x8000 : 0))
        uint16(0)
    }

    /// Writes the record, or nothing if it does not fit.
    private mutating func fits(_ record: DNSRecord, _ limit: Int) -> Bool {
        let (size, known) = (bytes.count, placed.count)
        name(record.name)
        uint16(record.data.type.rawValue)
        uint16(record.recordClass)
        uint32(record.ttl)
        let start = bytes.count
        uint16(0)
        data(record.data)
        let length = bytes.count - start - 2
        guard bytes.count <= limit, length <= 0xffff else {
            bytes.removeLast(bytes.count - size)
            for name in placed[known...] { places[name] = nil }
            placed.removeLast(placed.count - known)
            return false
        }
        patch(length, at: start)
        return true
    }

    private mutating func data(_ data: DNSRecord.Data) {
        switch data {
        case .a(let address), .aaaa(let address): bytes += address
        case .ns(let name), .cname(let name), .ptr(let name): self.name(name)
        // Not to be compressed: types younger than RFC 1035.
        case .dname(let name): self.name(name, compressed: false)
        case .mx(let preference, let name):
            uint16(preference)
            self.name(name)
        case .srv(let priority, let weight, let port, let target):
            uint16(priority)
            uint16(weight)
            uint16(port)
            name(target, compressed: false)
        case .soa(let soa):
            name(soa.primary)
            name(soa.mailbox)
            for number in [soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum] { uint32(number) }
        case .txt(let texts):
            for text in texts { bytes += [UInt8(min(text.count, 255))] + text.prefix(255) }
        case .other(_, let raw): bytes += raw
        }
    }

    private mutating func name(_ name: DNSName, compressed: Bool = true) {
        var rest = name
        while !rest.labels.isEmpty {
            if compressed, let place = places[rest] { return uint16(0xc000 | UInt16(place)) }
            if bytes.count < 0x4000, places[rest] == nil {
                places[rest] = bytes.count
                placed.append(rest)
            }
            bytes += [UInt8(rest.labels[0].count)] + rest.labels[0]
            rest = rest.parent
        }
        bytes.append(0)
    }

    private mutating func uint16(_ value: UInt16) { bytes += [UInt8(value >> 8), UInt8(value & 0xff)] }
    private mutating func uint32(_ value: UInt32) {
        uint16(UInt16(value >> 16))
        uint16(UInt16(value & 0xffff))
    }
}

extension DNSName {
    /// The name without its first label; the root's is the root.
    var parent: DNSName { DNSName(labels: Array(labels.dropFirst())) ?? .root }
}

extension DNSMessage {
    /// Reads a message.
    /// - Throws: `DNSError` with `malformed`.
    public init(parsing bytes: [UInt8]) throws(DNSError) { self = try DNSDecoder.decode(bytes) }

    /// The message in at most `limit` bytes; see ``isTruncated``.
    public func bytes(limit: Int = 0xffff) -> [UInt8] { DNSEncoder.encode(self, limit: limit) }
}
