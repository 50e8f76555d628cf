public import Netlink

/// Ports of several transports; what a peer may use.
public struct PortSet: Sendable, Hashable {
    /// Every port of every protocol, ICMP and all others too.
    public private(set) var isEverything: Bool
    /// Sorted by protocol and number; disjoint and not adjacent. Empty if ``isEverything``.
    public private(set) var ranges: [Range]

    public struct Range: Sendable, Hashable {
        public var transport: TransportProtocol
        public var numbers: ClosedRange<UInt16>
        public init(_ transport: TransportProtocol, _ numbers: ClosedRange<UInt16>) { (self.transport, self.numbers) = (transport, numbers) }
    }

    public static let everything = PortSet(isEverything: true, ranges: [])
    public static let nothing = PortSet(isEverything: false, ranges: [])

    private init(isEverything: Bool, ranges: [Range]) { (self.isEverything, self.ranges) = (isEverything, ranges) }

    public init(_ ranges: [Range]) {
        self.init(isEverything: false, ranges: [])
        let sorted = ranges.sorted { ($0.transport.rawValue, $0.numbers.lowerBound) < ($1.transport.rawValue, $1.numbers.lowerBound) }
        for range in sorted {
            guard let last = self.ranges.last, last.transport == range.transport, Int(range.numbers.lowerBound) <= Int(last.numbers.upperBound) + 1 else {
                self.ranges.append(range)
                continue
            }
            let upper = max(last.numbers.upperBound, range.numbers.upperBound)
            self.ranges[self.ranges.count - 1].numbers = last.numbers.lowerBound...upper
        }
    }

    public var isEmpty: Bool { !isEverything && ranges.isEmpty }

    public func union(_ other: PortSet) -> PortSet {
        if isEverything || other.isEverything { return .everything }
        return PortSet(ranges + other.ranges)
    }

    public func contains(_ transport: TransportProtocol, _ number: UInt16) -> Bool {
        isEverything || ranges.contains { $0.transport == transport && $0.numbers.contains(number) }
    }
}
