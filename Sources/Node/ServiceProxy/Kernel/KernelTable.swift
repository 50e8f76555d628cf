internal import LinuxSystem
internal import Logging
internal import Netlink

/// The effects: the table, the route of the service range and the tracked connections, on a thread of their own.
actor KernelTable {
    private let table: ServiceTable
    private let configuration: ServiceProxyConfiguration
    private let executor: KernelThread
    private let nftables: NFTablesSocket
    private let conntrack: ConntrackSocket
    private var monitor: TableMonitor?
    /// Of our own last transaction: a foreign one before it has been made good by it, if it replaced the table.
    private(set) var lastReplacement: UInt32 = 0

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(configuration: ServiceProxyConfiguration) throws {
        self.configuration = configuration
        table = ServiceTable(name: configuration.tableName)
        executor = try KernelThread()
        nftables = try configuration.namespacePath.map { try NFTablesSocket(inside: $0) } ?? NFTablesSocket()
        conntrack = try configuration.namespacePath.map { try ConntrackSocket(inside: $0) } ?? ConntrackSocket()
    }

    /// Transactions of more messages than that are made while the monitor does not listen.
    private static let longTransaction = 16

    /// Starts to hear what others do to the table.
    func watch(_ handler: @escaping @Sendable (TableMonitor.Event) -> Void) throws {
        monitor = try TableMonitor(table: table.name, ownPort: nftables.socket.port(), namespacePath: configuration.namespacePath, handler: handler)
    }

    func stopWatching() {
        monitor?.stop()
        monitor = nil
    }

    // MARK: The table

    /// Makes the table anew in one transaction. What it knew of clients with affinity is kept.
    /// - Returns: false if a transaction of others may have gone unheard.
    func replace(_ elements: [TableElement], node: NodeDescription) throws -> Bool {
        let batch = table.replacement(elements, node: node, affinities: try affinities())
        let generation = try commit("replace table \(table.name)", batch)
        if let generation { lastReplacement = generation }
        return generation != nil
    }

    /// - Returns: false if a transaction of others may have gone unheard.
    func apply(_ change: PictureChange) throws -> Bool { try commit("change table \(table.name)", table.change(change)) != nil }

    /// - Returns: the generation that our transaction made; nil if it cannot be told from those of others, of which one may
    ///   have gone unheard.
    private func commit(_ operation: String, _ batch: NFTablesBatch) throws -> UInt32? {
        guard let monitor, batch.count > Self.longTransaction else {
            // The monitor hears everything: nothing is to be counted.
            try nftables.commit(operation, batch)
            return lastReplacement
        }
        let before = try nftables.generation()
        try monitor.pause()
        defer { try? monitor.resume() }  // without it the audit must do
        try nftables.commit(operation, batch)
        try monitor.resume()
        // Zero is left out when the number wraps around.
        let expected = before == .max ? 1 : before + 1
        return try nftables.generation() == expected ? expected : nil
    }

    private func affinities() throws -> [(set: String, elements: [NFTablesElement])] {
        guard try nftables.table(.inet, table.name) != nil else { return [] }
        let known = Set(try nftables.sets(.inet, table: table.name))
        var result: [(set: String, elements: [NFTablesElement])] = []
        for family in ServiceTable.families {
            for set in [ServiceTable.SetName.affinity, .affinitylocal].map({ $0.named(family) }) where known.contains(set) {
                // Without their time to live they would stay for ever.
                let elements = try nftables.elements(.inet, table: table.name, set: set).filter { $0.timeout != nil && $0.expiration ?? 0 > 0 }
                if !elements.isEmpty { result.append((set, elements)) }
            }
        }
        return result
    }

    /// Compares the table with what it should be.
    /// - Returns: what differs, in words; empty if nothing does.
    func audit(_ elements: [TableElement], node: NodeDescription) throws -> [String] {
        guard try nftables.table(.inet, table.name) != nil else { return ["the table is gone"] }
        let expected = table.replacement(elements, node: node)
        var differences: [String] = []
        let rules = try nftables.ruleCounts(.inet, table: table.name)
        let wanted = expected.ruleCounts
        for chain in Set(rules.keys).union(wanted.keys).sorted() where rules[chain] != wanted[chain] {
            differences.append("chain \(chain): expected \(wanted[chain] ?? 0) rules, found \(rules[chain] ?? 0)")
        }
        var sets: [String: Set<NFTablesElement>] = [:]
        for element in elements { for (set, element) in ServiceTable.encoded(element) { sets[set, default: []].insert(element) } }
        let present = Set(try nftables.sets(.inet, table: table.name))
        for family in ServiceTable.families {
            for name in ServiceTable.SetName.allCases {
                let set = name.named(family)
                guard present.contains(set) else {
                    differences.append("set \(set) is gone")
                    continue
                }
                if [.affinity, .affinitylocal, .pods, .services].contains(name) { continue }
                let found = Set(try nftables.elements(.inet, table: table.name, set: set))
                let wanted = sets[set] ?? []
                if found != wanted {
                    differences.append("set \(set): \(wanted.subtracting(found).count) elements missing, \(found.subtracting(wanted).count) too many")
                }
            }
        }
        return differences
    }

    // MARK: Connections

    /// Ends tracked UDP connections that lead where they must not: their next packet meets the rules again. TCP tells its
    /// client itself when an endpoint goes.
    /// - Parameters:
    ///   - frontends: where the connections of each may go; nowhere: only translated ones are ended.
    ///   - isComplete: these are all frontends: translated connections to other addresses of the service ranges end too.
    /// - Returns: how many were ended.
    @discardableResult
    func endConnections(_ frontends: [Frontend: Set<Backend>], isComplete: Bool = false, ranges: [IPPrefix] = []) throws -> Int {
        if frontends.isEmpty, !isComplete { return 0 }
        var entries: [ConntrackEntry] = []
        if frontends.count <= 2, !isComplete {
            for frontend in frontends.keys { entries += try conntrack.entries(to: .init(frontend.address, frontend.transport, frontend.port)) }
        } else {
            entries = try conntrack.entries()
        }
        var ended = 0
        for entry in entries where entry.original.transport == TransportProtocol.udp.rawValue {
            let frontend = Frontend(address: entry.original.destination, transport: .udp, port: entry.original.destinationPort)
            let isStale: Bool
            if let backends = frontends[frontend] {
                isStale = backends.isEmpty ? entry.isDestinationTranslated : !backends.contains(Backend(address: entry.reply.source, port: entry.reply.sourcePort))
            } else {
                isStale = isComplete && entry.isDestinationTranslated && ranges.contains { $0.contains(frontend.address) }
            }
            if isStale, try conntrack.delete(entry) { ended += 1 }
        }
        return ended
    }

    // MARK: The route

    /// Routes the ranges of cluster IPs to an empty bridge, so that the host itself has a way to them and its packets reach
    /// the translation. Idempotent.
    func setUpRoute(_ node: NodeDescription) throws {
        let routes = try routeSocket()
        if try routes.link(named: configuration.linkName) == nil { try routes.create(.bridge, LinkSettings(name: configuration.linkName)) }
        guard let link = try routes.link(named: configuration.linkName) else { return }
        if !link.isUp || link.alias != Self.alias { try routes.change(link.index, LinkSettings(isUp: true, alias: Self.alias, withoutLinkLocal: true)) }
        let own = Set(try routes.addresses().map(\.prefix.address))
        for range in node.serviceCIDRs {
            // The address that other nodes know, if it is there.
            let source = node.addresses.first { $0.family == range.address.family && own.contains($0) }
            let route = Route(to: range, index: link.index, source: source)
            if try !routes.routes(range.address.family).contains(where: { $0.destination == range && $0.index == link.index && $0.source == source }) {
                try routes.replace(route)
            }
        }
    }

    private static let alias = "swiftlet: the way to cluster IPs"

    private func routeSocket() throws -> RouteSocket { try configuration.namespacePath.map { try RouteSocket(inside: $0) } ?? RouteSocket() }

    /// Removes the table and the bridge, with its routes. Idempotent.
    func removeEverything() throws {
        try nftables.deleteTable(.inet, table.name)
        let routes = try routeSocket()
        if let link = try routes.link(named: configuration.linkName), link.alias == Self.alias { try routes.deleteLink(link.index) }
    }
}
