extension NFTablesExpression {
    var name: String {
        switch self {
        case .payload: "payload"
        case .meta, .setMeta: "meta"
        case .bitwise: "bitwise"
        case .compare: "cmp"
        case .immediate, .verdict: "immediate"
        case .counter: "counter"
        case .masqueradeFullyRandom: "masq"
        case .lookup: "lookup"
        case .destinationNAT: "nat"
        case .random: "numgen"
        case .conntrack: "ct"
        case .change: "dynset"
        case .reject: "reject"
        case .addressType: "fib"
        case .range: "range"
        }
    }

    func write(into writer: inout NetlinkWriter) {
        writer.nest(1) { writer in  // NFTA_LIST_ELEM
            writer.attribute(1, string: name)
            writer.nest(2) { writeData(into: &$0) }
        }
    }

    private func writeData(into writer: inout NetlinkWriter) {
        switch self {
        case .payload(let header, let offset, let length, let register):
            writer.attribute(1, be32: register)
            writer.attribute(2, be32: header.rawValue)
            writer.attribute(3, be32: offset)
            writer.attribute(4, be32: length)
        case .meta(let key, let register):
            writer.attribute(2, be32: key.rawValue)
            writer.attribute(1, be32: register)
        case .setMeta(let key, let register):
            writer.attribute(2, be32: key.rawValue)
            writer.attribute(3, be32: register)
        case .bitwise(let register, let mask, let xor):
            writer.attribute(1, be32: register)
            writer.attribute(2, be32: register)
            writer.attribute(3, be32: UInt32(mask.count))
            writer.nest(4) { $0.attribute(1, mask) }
            writer.nest(5) { $0.attribute(1, xor) }
        case .compare(let register, let comparison, let value):
            writer.attribute(1, be32: register)
            writer.attribute(2, be32: comparison.rawValue)
            writer.nest(3) { $0.attribute(1, value) }
        case .range(let register, let from, let through, let negated):
            writer.attribute(1, be32: register)
            writer.attribute(2, be32: negated ? 1 : 0)
            writer.nest(3) { $0.attribute(1, from) }
            writer.nest(4) { $0.attribute(1, through) }
        case .immediate(let register, let value):
            writer.attribute(1, be32: register)
            writer.nest(2) { $0.attribute(1, value) }
        case .verdict(let verdict):
            writer.attribute(1, be32: 0)  // NFT_REG_VERDICT
            writer.nest(2) { $0.nest(2) { verdict.write(into: &$0) } }
        case .counter:
            writer.attribute(1, be64: 0)
            writer.attribute(2, be64: 0)
        case .masqueradeFullyRandom:
            writer.attribute(1, be32: 0x10)  // NF_NAT_RANGE_PROTO_RANDOM_FULLY
        case .lookup, .destinationNAT, .random, .conntrack, .change, .reject, .addressType:
            writeServiceData(into: &writer)
        }
    }

    /// The steps that look up, translate and refuse.
    private func writeServiceData(into writer: inout NetlinkWriter) {
        switch self {
        case .lookup(let set, let key, let value, let inverted):
            writer.attribute(1, string: set)
            writer.attribute(2, be32: key)
            if let value { writer.attribute(3, be32: value) }
            if inverted { writer.attribute(5, be32: 1) }
        case .destinationNAT(let family, let address, let port):
            writer.attribute(1, be32: 1)  // NFT_NAT_DNAT
            writer.attribute(2, be32: UInt32(family.rawValue))
            writer.attribute(3, be32: address)
            writer.attribute(5, be32: port)
        case .random(let modulus, let register):
            writer.attribute(1, be32: register)
            writer.attribute(2, be32: modulus)
            writer.attribute(3, be32: 1)  // NFT_NG_RANDOM
            writer.attribute(4, be32: 0)
        case .conntrack(let key, let register):
            writer.attribute(1, be32: register)
            writer.attribute(2, be32: key.number)
            if key.isOriginal { writer.attribute(3, u8: 0) }  // IP_CT_DIR_ORIGINAL
        case .change(let operation, let set, let key, let data, let timeout):
            writer.attribute(1, string: set)
            writer.attribute(3, be32: operation.rawValue)
            writer.attribute(4, be32: key)
            if let data { writer.attribute(5, be32: data) }
            if timeout > 0 { writer.attribute(6, be64: timeout) }
        case .reject(.portUnreachable):
            writer.attribute(1, be32: 2)  // NFT_REJECT_ICMPX_UNREACH
            writer.attribute(2, u8: 1)  // NFT_REJECT_ICMPX_PORT_UNREACH
        case .reject(.tcpReset):
            writer.attribute(1, be32: 1)  // NFT_REJECT_TCP_RST
        case .addressType(let direction, let register):
            writer.attribute(1, be32: register)
            writer.attribute(2, be32: 3)  // NFT_FIB_RESULT_ADDRTYPE
            writer.attribute(3, be32: direction == .source ? 1 : 2)  // NFTA_FIB_F_SADDR, NFTA_FIB_F_DADDR
        default: break
        }
    }
}

extension NFTablesExpression.ConntrackKey {
    fileprivate var number: UInt32 {
        switch self {
        case .state: 0
        case .status: 2
        case .mark: 3
        case .originalSourcePort: 11
        case .originalDestinationPort: 12
        case .originalSource(.v4): 19
        case .originalDestination(.v4): 20
        case .originalSource(.v6): 21
        case .originalDestination(.v6): 22
        }
    }

    fileprivate var isOriginal: Bool {
        switch self {
        case .state, .status, .mark: false
        default: true
        }
    }
}

extension NFTablesExpression.Verdict {
    func write(into writer: inout NetlinkWriter) {
        switch self {
        case .drop: writer.attribute(1, be32: 0)
        case .accept: writer.attribute(1, be32: 1)
        case .return: writer.attribute(1, be32: UInt32(bitPattern: -5))
        case .jump(let chain):
            writer.attribute(1, be32: UInt32(bitPattern: -3))
            writer.attribute(2, string: chain)
        case .goto(let chain):
            writer.attribute(1, be32: UInt32(bitPattern: -4))
            writer.attribute(2, string: chain)
        }
    }
}
