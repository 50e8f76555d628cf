internal import Netlink

/// Which addresses of a range are taken. A value without files or clock: the ledger and the caller have those.
///
/// Addresses are given out one after the other, so that a released one rests as long as the range allows, and never within
/// the quarantine.
struct AddressPool: Sendable {
    let range: IPPrefix
    private let first: IPAddress
    private let count: UInt64
    /// Offset of the next candidate.
    private var next: UInt64 = 0
    private var taken: Set<IPAddress> = []
    /// When each released address may be used again, in the caller's seconds.
    private var resting: [IPAddress: Int64] = [:]

    /// - Parameter range: IPv4 keeps its first and last address back: some peers treat them as network and broadcast.
    init(range: IPPrefix) {
        self.range = range
        first = range.network.advanced(by: 1) ?? range.network
        // A range larger than 2^24 is not searched to its end.
        count = min(range.count, 1 << 24) - 2
    }

    /// Marks an address as in use.
    /// - Returns: false if it was.
    mutating func take(_ address: IPAddress) -> Bool {
        resting[address] = nil
        return taken.insert(address).inserted
    }

    /// Gives an address back.
    /// - Parameter until: seconds; it is not given out before.
    mutating func release(_ address: IPAddress, until: Int64) {
        taken.remove(address)
        resting[address] = until
    }

    /// A free address, now in use; nil if there is none.
    mutating func take(now: Int64) -> IPAddress? {
        for step in 0..<count {
            let offset = (next + step) % count
            guard let address = first.advanced(by: offset), !taken.contains(address) else { continue }
            if let until = resting[address] {
                if now < until { continue }
                resting[address] = nil
            }
            taken.insert(address)
            next = (offset + 1) % count
            return address
        }
        return nil
    }

    /// Addresses whose rest has ended; they are forgotten.
    mutating func rested(now: Int64) -> Set<IPAddress> {
        let done = Set(resting.filter { $0.value <= now }.keys)
        for address in done { resting[address] = nil }
        return done
    }
}
