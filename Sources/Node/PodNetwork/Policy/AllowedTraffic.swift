public import Netlink

/// What one pod may exchange with whom, in one direction: address ranges, each with its ports.
///
/// The ranges are sorted and disjoint, because the kernel's sets of concatenated ranges refuse elements that overlap; adjacent
/// ones with equal ports are one.
public struct AllowedTraffic: Sendable, Hashable {
    public struct Entry: Sendable, Hashable {
        public var addresses: ClosedRange<IPAddress>
        public var ports: PortSet
        public init(_ addresses: ClosedRange<IPAddress>, _ ports: PortSet) { (self.addresses, self.ports) = (addresses, ports) }
    }

    public let entries: [Entry]

    /// - Parameter permitted: in any order, and they may overlap: what any of them permits is permitted. The two ends of a range are of one family.
    public init(_ permitted: [Entry]) {
        // One pass over the places at which something begins or has ended; `open` are the entries that hold in between.
        let sorted = permitted.filter { !$0.ports.isEmpty }.sorted { $0.addresses.lowerBound < $1.addresses.lowerBound }
        let ends = sorted.compactMap { $0.addresses.upperBound.advanced(by: 1) }
        let places = Set(sorted.map(\.addresses.lowerBound) + ends).sorted()
        var open: [Entry] = []
        var next = sorted[...]
        var merged: [Entry] = []
        for (index, place) in places.enumerated() {
            open.removeAll { $0.addresses.upperBound < place || $0.addresses.upperBound.family != place.family }
            while let entry = next.first, entry.addresses.lowerBound == place {
                open.append(entry)
                next.removeFirst()
            }
            guard let first = open.first else { continue }
            let ports = open.dropFirst().reduce(first.ports) { $0.union($1.ports) }
            let following = index + 1 < places.count && places[index + 1].family == place.family ? places[index + 1] : nil
            let piece = Entry(place...(following.flatMap(\.predecessor) ?? place.family.last), ports)
            if let last = merged.last, last.ports == piece.ports, last.addresses.upperBound.advanced(by: 1) == place {
                merged[merged.count - 1].addresses = last.addresses.lowerBound...piece.addresses.upperBound
            } else {
                merged.append(piece)
            }
        }
        entries = merged
    }

    public func contains(_ address: IPAddress, _ transport: TransportProtocol, _ port: UInt16) -> Bool {
        entries.contains { $0.addresses.contains(address) && $0.addresses.lowerBound.family == address.family && $0.ports.contains(transport, port) }
    }
}

extension IPAddress {
    /// The address before; nil for the first one of the family.
    var predecessor: IPAddress? {
        switch self {
        case .v4(let value): value == 0 ? nil : .v4(value - 1)
        case .v6(let high, let low): high == 0 && low == 0 ? nil : .v6(low == 0 ? high - 1 : high, low &- 1)
        }
    }
}

extension IPAddress.Family {
    var first: IPAddress { self == .v4 ? .v4(0) : .v6(0, 0) }
    var last: IPAddress { self == .v4 ? .v4(.max) : .v6(.max, .max) }
}

extension IPPrefix {
    /// From the network's first address to its last.
    var range: ClosedRange<IPAddress> {
        let host = UInt64(address.family.width - length)
        switch network {
        case .v4(let value): return network ... .v4(host >= 32 ? .max : value | (UInt32(1) << UInt32(host) - 1))
        case .v6(let high, let low):
            let lastHigh = host <= 64 ? high : host >= 128 ? .max : high | (1 << (host - 64) - 1)
            return network ... .v6(lastHigh, host >= 64 ? .max : low | (1 << host - 1))
        }
    }
}
