internal import Netlink

/// The nf_tables table of the service proxy: its sets, its constant rules, and how elements are written.
///
/// ```
/// prerouting ─ from a pod here? ─▶ inside ─┐        ┌▶ ip4-cluster-2: frontend . random(2) ─▶ address . port, DNAT
/// output ────────────────────────▶ inside ─┤ balance┼▶ ip4-cluster-3-10800s: affinity first
///                   (both then) ▶ everyone ┘        └▶ ip4-local-1: this node's endpoints
/// ```
/// A frontend maps to the number of its balancer; a verdict map of the few balancers in use jumps to the chain, which knows
/// the length of the list. No verdict is kept for a Service: the kernel validates every verdict of a table at every change
/// of one, which at 10,000 Services would cost more than the change.
///
/// What one lookup found is handed to the next in the packet's priority: nft 1.0.6 aborts when it lists a rule whose key is
/// made of another lookup's value. Marks of packets and connections are left to others; a priority is given to forwarded
/// packets after this, and the first packet of a connection from the node itself loses what SO_PRIORITY said.
struct ServiceTable: Sendable {
    let name: String

    static let families: [IPAddress.Family] = [.v4, .v6]

    enum SetName: String, CaseIterable {
        /// frontend -> balancer
        case front, inside
        /// balancer -> goto chain
        case balance
        /// frontend . index -> backend
        case pick, picklocal
        /// frontend . index -> token
        case choose, chooselocal
        /// frontend . token -> backend
        case live, livelocal
        /// client . frontend -> token; filled by rules
        case affinity, affinitylocal
        case masquerade, masqueradeown
        case reject, drop
        case guarded
        /// frontend . source
        case allowed
        /// address . the same address
        case hairpin
        /// This node's pods and the ranges of cluster IPs.
        case pods, services

        func named(_ family: IPAddress.Family) -> String { rawValue + (family == .v4 ? "4" : "6") }
    }

    /// Clients that the kernel remembers; a full map only costs affinity.
    static let affinitySize: UInt32 = 65_536

    func set(_ name: SetName, _ family: IPAddress.Family) -> NFTablesSet {
        let address = NFTablesType.address(family)
        let frontend: [NFTablesType] = [address, .transportProtocol, .port]
        let backend: [NFTablesType] = [address, .port]
        let named = name.named(family)
        return switch name {
        case .front, .inside: NFTablesSet(named, key: frontend, data: .values([.priority]))
        case .balance: NFTablesSet(named, key: [.priority], data: .verdicts)
        case .pick, .picklocal: NFTablesSet(named, key: frontend + [.mark], data: .values(backend))
        case .choose, .chooselocal: NFTablesSet(named, key: frontend + [.mark], data: .values([.priority]))
        case .live, .livelocal: NFTablesSet(named, key: frontend + [.priority], data: .values(backend))
        case .affinity, .affinitylocal:
            NFTablesSet(named, key: [address] + frontend, data: .values([.priority]), options: [.dynamic, .timeout], size: Self.affinitySize)
        case .masquerade, .masqueradeown, .reject, .drop, .guarded: NFTablesSet(named, key: frontend)
        case .allowed: NFTablesSet(named, key: frontend + [address], options: .interval)
        case .hairpin: NFTablesSet(named, key: [address, address])
        case .pods, .services: NFTablesSet(named, key: [address], options: .interval)
        }
    }

    // MARK: Transactions

    /// The whole table anew, whatever was there, in one step.
    /// - Parameter affinities: what the table before remembered of clients, by set.
    func replacement(_ elements: [TableElement], node: NodeDescription, affinities: [(set: String, elements: [NFTablesElement])] = []) -> NFTablesBatch {
        var batch = NFTablesBatch()
        batch.replaceTable(.inet, name)
        for family in Self.families { for set in SetName.allCases { batch.addSet(.inet, table: name, self.set(set, family)) } }
        addRules(to: &batch)
        for family in Self.families {
            add(node.podCIDRs, to: .pods, family, &batch)
            add(node.serviceCIDRs, to: .services, family, &batch)
        }
        write(PictureChange(added: elements), to: &batch)
        for (set, elements) in affinities { batch.addElements(.inet, table: name, set: set, elements) }
        return batch
    }

    private func add(_ prefixes: [IPPrefix], to set: SetName, _ family: IPAddress.Family, _ batch: inout NFTablesBatch) {
        let ranges = prefixes.filter { $0.address.family == family }.flatMap { NFTablesElement.range($0) }
        if !ranges.isEmpty { batch.addElements(.inet, table: name, set: set.named(family), ranges) }
    }

    /// A change of the picture, in one step.
    func change(_ change: PictureChange) -> NFTablesBatch {
        var batch = NFTablesBatch()
        write(change, to: &batch)
        return batch
    }

    /// Elements go before others come, since a new one may have the key of an old one; chains come before the verdicts
    /// that lead to them and go after.
    private func write(_ change: PictureChange, to batch: inout NFTablesBatch) {
        var sets: [String: [NFTablesElement]] = [:]
        for element in change.removed { for (set, element) in Self.encoded(element) { sets[set, default: []].append(element) } }
        for (set, elements) in sets.sorted(by: { $0.key < $1.key }) { batch.deleteElements(.inet, table: name, set: set, elements) }
        for case .balancer(let family, let balancer) in change.removed { batch.deleteChain(.inet, table: name, Self.chain(balancer, family)) }
        for case .balancer(let family, let balancer) in change.added { addChain(balancer, family, to: &batch) }
        sets.removeAll(keepingCapacity: true)
        for element in change.added { for (set, element) in Self.encoded(element) { sets[set, default: []].append(element) } }
        for (set, elements) in sets.sorted(by: { $0.key < $1.key }) {
            batch.addElements(.inet, table: name, set: set, elements, exclusive: true)
        }
    }

    static func chain(_ balancer: Balancer, _ family: IPAddress.Family) -> String { "\(family == .v4 ? "ip4" : "ip6")-\(balancer.chain)" }
}
