internal import Netlink

/// The policies' table: constant rules, and sets that hold the picture (DESIGN section 6).
///
/// Egress is judged at prerouting after destination NAT (-90), so that pods and the node itself are covered in one place and
/// Services are seen as their endpoints; ingress in forward, which what the node itself sends does not pass: the node may always
/// reach its pods. An isolated pod's packet is accepted if the sets have it, else dropped; so one that cannot be read is dropped.
struct PolicyTable: Sendable {
    let name: String

    private static let families: [IPAddress.Family] = [.v4, .v6]
    private static let isolatedOut = "isolated-out"
    private static func isolatedIn(_ family: IPAddress.Family) -> String { family == .v4 ? "isolated-in4" : "isolated-in6" }
    private static func allowedIn(_ family: IPAddress.Family) -> String { family == .v4 ? "allowed-in4" : "allowed-in6" }
    private static func allowedOut(_ family: IPAddress.Family) -> String { family == .v4 ? "allowed-out4" : "allowed-out6" }

    /// The whole table with what the picture holds, in place of whatever was there: no packet sees the step between.
    func replacement(_ picture: PolicyPicture) -> NFTablesBatch {
        var batch = NFTablesBatch()
        batch.replaceTable(.inet, name)
        batch.addSet(.inet, table: name, NFTablesSet(Self.isolatedOut, key: [.interfaceName]))
        for family in Self.families {
            batch.addSet(.inet, table: name, NFTablesSet(Self.isolatedIn(family), key: [.address(family)]))
            batch.addSet(.inet, table: name, NFTablesSet(Self.allowedIn(family), key: [.address(family), .address(family), .transportProtocol, .port], options: .interval))
            batch.addSet(.inet, table: name, NFTablesSet(Self.allowedOut(family), key: [.interfaceName, .address(family), .transportProtocol, .port], options: .interval))
        }
        addRules(&batch)
        add(picture, without: PolicyPicture(), to: &batch)
        return batch
    }

    /// What leads from one picture to the next. Empty if they are equal.
    func change(from old: PolicyPicture, to new: PolicyPicture) -> NFTablesBatch {
        var batch = NFTablesBatch()
        // First what goes: the sets refuse ranges that overlap, also within a transaction.
        remove(old, without: new, from: &batch)
        add(new, without: old, to: &batch)
        return batch
    }

    // MARK: Rules

    private func addRules(_ batch: inout NFTablesBatch) {
        batch.addChain(.inet, table: name, "outgoing")
        batch.addChain(.inet, table: name, "incoming")
        batch.addChain(.inet, table: name, "egress", hook: NFTablesHook(.filter, .prerouting, priority: -90))
        batch.addChain(.inet, table: name, "ingress", hook: NFTablesHook(.filter, .forward, priority: -10))
        let replies: [NFTablesExpression] = [.conntrack(.state, into: 1)] + NFTablesExpression.anyBit(0x6, of: 1) + [.verdict(.accept)]
        for chain in ["egress", "ingress"] { batch.addRule(.inet, table: name, chain: chain, replies, comment: "connections that were allowed") }
        batch.addRule(.inet, table: name, chain: "egress",
                      [.meta(.inputInterfaceName, into: 1), .lookup(Self.isolatedOut, from: 1), .verdict(.goto("outgoing"))], comment: "from isolated pods")
        for family in Self.families {
            let match = NFTablesExpression.family(family)
            // A concatenation fills registers that lie side by side.
            let words = Int(family.width) / 32
            let ports = { (first: Int) -> [NFTablesExpression] in
                [.meta(.transportProtocol, into: NFTablesExpression.word(first)), .port(.destination, into: NFTablesExpression.word(first + 1))]
            }
            batch.addRule(.inet, table: name, chain: "ingress",
                          match + [.address(.destination, family, into: 1), .lookup(Self.isolatedIn(family), from: 1), .verdict(.goto("incoming"))], comment: "to isolated pods")
            batch.addRule(.inet, table: name, chain: "incoming",
                          match + [.address(.destination, family, into: NFTablesExpression.word(0)), .address(.source, family, into: NFTablesExpression.word(words))]
                              + ports(2 * words) + [.lookup(Self.allowedIn(family), from: NFTablesExpression.word(0)), .verdict(.accept)])
            batch.addRule(.inet, table: name, chain: "outgoing",
                          match + [.meta(.inputInterfaceName, into: NFTablesExpression.word(0)), .address(.destination, family, into: NFTablesExpression.word(4))]
                              + ports(4 + words) + [.lookup(Self.allowedOut(family), from: NFTablesExpression.word(0)), .verdict(.accept)])
        }
        for chain in ["incoming", "outgoing"] { batch.addRule(.inet, table: name, chain: chain, [.counter, .verdict(.drop)], comment: "no policy allows it") }
    }

    // MARK: Elements

    private func add(_ picture: PolicyPicture, without known: PolicyPicture, to batch: inout NFTablesBatch) {
        each(picture, without: known) { set, elements in batch.addElements(.inet, table: name, set: set, elements) }
    }

    private func remove(_ picture: PolicyPicture, without kept: PolicyPicture, from batch: inout NFTablesBatch) {
        each(picture, without: kept) { set, elements in batch.deleteElements(.inet, table: name, set: set, elements) }
    }

    /// The elements of one picture that another does not have, set by set.
    private func each(_ picture: PolicyPicture, without other: PolicyPicture, _ body: (_ set: String, [NFTablesElement]) -> Void) {
        func told(_ set: String, _ elements: [NFTablesElement]) { if !elements.isEmpty { body(set, elements) } }
        for family in Self.families {
            told(Self.allowedIn(family), picture.allowedIn.subtracting(other.allowedIn).filter { $0.pod.family == family }.map { entry in
                NFTablesElement(entry.pod.bytes + Self.lower(entry.traffic), through: entry.pod.bytes + Self.upper(entry.traffic))
            })
            told(Self.allowedOut(family), picture.allowedOut.subtracting(other.allowedOut).filter { $0.traffic.peers.lowerBound.family == family }.map { entry in
                NFTablesElement(Self.bytes(entry.link) + Self.lower(entry.traffic), through: Self.bytes(entry.link) + Self.upper(entry.traffic))
            })
            told(Self.isolatedIn(family), picture.isolatedIn.subtracting(other.isolatedIn).filter { $0.family == family }.map { NFTablesElement($0.bytes) })
        }
        told(Self.isolatedOut, picture.isolatedOut.subtracting(other.isolatedOut).map { NFTablesElement(Self.bytes($0)) })
    }

    /// Parts of a concatenation are padded to four bytes.
    private static func lower(_ traffic: PolicyPicture.Traffic) -> [UInt8] {
        traffic.peers.lowerBound.bytes + tail(traffic.ports?.transport.rawValue ?? 0, traffic.ports?.numbers.lowerBound ?? 0)
    }

    private static func upper(_ traffic: PolicyPicture.Traffic) -> [UInt8] {
        traffic.peers.upperBound.bytes + tail(traffic.ports?.transport.rawValue ?? .max, traffic.ports?.numbers.upperBound ?? .max)
    }

    private static func tail(_ transport: UInt8, _ port: UInt16) -> [UInt8] {
        [transport, 0, 0, 0, UInt8(port >> 8), UInt8(truncatingIfNeeded: port), 0, 0]
    }

    private static func bytes(_ link: String) -> [UInt8] {
        let text = Array(link.utf8.prefix(15))
        return text + [UInt8](repeating: 0, count: 16 - text.count)
    }
}
