internal import LinuxSystem
public import Logging
internal import Netlink
internal import Synchronization

/// What ``PodNetwork/start(sandboxes:)`` found different from the ledger.
public struct PodNetworkAudit: Sendable, Hashable {
    /// Sandboxes that the caller does not know: disconnected.
    public var forgotten: [String] = []
    /// Sandboxes whose link is gone (the namespace died): the caller should replace them.
    public var broken: [String] = []
    /// Links with our mark that no ledger entry explains: removed.
    public var strayLinks: [String] = []
    /// Pods whose route or neighbour was missing: put back.
    public var repaired: [String] = []
    public init() {}
}

extension PodNetwork {
    /// Sets the node up and compares the ledger with the kernel. Call before the first ``attach(sandbox:namespacePath:)``;
    /// running pods notice nothing.
    /// - Parameter sandboxes: those that still exist; entries of others are taken back. Nil: all of them.
    /// - Throws: ``PodNetworkError``
    public func start(sandboxes: Set<String>?) async throws -> PodNetworkAudit {
        var audit = PodNetworkAudit()
        for (sandbox, _) in state.withLock({ $0.attachments }) where !(sandboxes?.contains(sandbox) ?? true) {
            try await detach(sandbox: sandbox, namespacePath: "")
            audit.forgotten.append(sandbox)
        }
        audit.forgotten.sort()
        let before = audit
        audit = try await onNode { [self] in
            var audit = before
            try setUpNode()
            try compare(&audit)
            return audit
        }
        return audit
    }

    // MARK: The node

    private static let settings: [(path: String, value: String)] = [
        // First: changing it sets others back to the defaults of a router.
        ("net/ipv4/ip_forward", "1"),
        ("net/ipv4/conf/all/send_redirects", "0"),
        ("net/ipv4/conf/default/send_redirects", "0"),
    ]

    /// /proc/sys/net shows the network namespace of the thread that looks.
    private func setUpNode() throws(PodNetworkError) {
        var record = try ledger.node()
        if configuration.masquerades, record.table != configuration.tableName {
            record.table = configuration.tableName
            try ledger.write(record)
        }
        if configuration.managesSystemSettings {
            for setting in Self.settings {
                let old = try wrapped("system settings") { try Files.readString("/proc/sys/" + setting.path).trimmed }
                if old == setting.value { continue }
                if !record.settings.contains(where: { $0.path == setting.path }) {
                    record.settings.append(.init(path: setting.path, value: old))
                    try ledger.write(record)
                }
                try wrapped("system settings") { try Files.writeExisting(setting.value, to: "/proc/sys/" + setting.path) }
            }
        }
        if configuration.masquerades {
            let batch = masquerade()
            try wrapped("set up masquerading") { try NFTablesSocket().commit("replace table \(configuration.tableName)", batch) }
        }
    }

    /// The node's table: what a pod sends outside the cluster leaves with the node's address.
    private func masquerade() -> NFTablesBatch {
        var batch = NFTablesBatch()
        let table = configuration.tableName
        batch.replaceTable(.inet, table)
        batch.addChain(.inet, table: table, "postrouting", hook: NFTablesHook(.nat, .postrouting, priority: 100))
        for range in configuration.podCIDRs {
            var rule = NFTablesExpression.family(range.address.family) + NFTablesExpression.address(.source, in: range)
            for inside in Set(configuration.clusterCIDRs + configuration.podCIDRs).sorted(by: { $0.description < $1.description }) where inside.address.family == range.address.family {
                rule += NFTablesExpression.address(.destination, in: inside, negated: true)
            }
            batch.addRule(.inet, table: table, chain: "postrouting", rule + [.masqueradeFullyRandom], comment: "pods to the outside")
        }
        return batch
    }

    // MARK: Audit

    private func compare(_ audit: inout PodNetworkAudit) throws(PodNetworkError) {
        let attachments = state.withLock { $0.attachments }
        let socket = try wrapped("open a socket") { try RouteSocket() }
        let (links, routes, neighbours) = try wrapped("list links and routes") { (try socket.links(), try socket.routes(.v4), try socket.neighbours(.v4)) }
        let explained = Set(attachments.values.map(\.link))
        for link in links where link.name.hasPrefix(configuration.linkPrefix) && link.alias?.hasPrefix(alias("")) == true && !explained.contains(link.name) {
            _ = try wrapped("remove \(link.name)") { try socket.deleteLink(link.index) }
            audit.strayLinks.append(link.name)
        }
        for attachment in attachments.values.sorted(by: { $0.sandbox < $1.sandbox }) {
            guard let link = links.first(where: { $0.name == attachment.link }) else {
                audit.broken.append(attachment.sandbox)
                continue
            }
            let destination = IPPrefix(host: attachment.address)
            let routed = routes.contains { $0.destination == destination && $0.index == link.index }
            let known = neighbours.contains { $0.address == attachment.address && $0.index == link.index && $0.isPermanent }
            if link.isUp, routed, known { continue }
            try wrapped("repair \(link.name)") { try setUpHost(attachment, socket, link) }
            audit.repaired.append(attachment.sandbox)
        }
        audit.strayLinks.sort()
    }

    // MARK: Reset

    /// Plays the ledger back: every link, the table, the settings as they were, and the ledger itself. For a node that is
    /// given up; its pods should be gone. Idempotent.
    /// - Throws: ``PodNetworkError``; what is left is still in the ledger.
    public static func reset(configuration: PodNetworkConfiguration, stateDirectory: String, logger: Logger) async throws {
        guard Files.exists(stateDirectory) else { return }
        let network = try PodNetwork(configuration: configuration, stateDirectory: stateDirectory, logger: logger)
        try await network.onNode { try network.playBack() }
    }

    private func playBack() throws(PodNetworkError) {
        let socket = try wrapped("open a socket") { try RouteSocket() }
        for attachment in state.withLock({ Array($0.attachments.values) }) {
            _ = try wrapped("remove \(attachment.link)") { try socket.deleteLink(named: attachment.link) }
        }
        for link in try wrapped("list links", { try socket.links() }) where link.alias?.hasPrefix(alias("")) == true && link.name.hasPrefix(configuration.linkPrefix) {
            _ = try wrapped("remove \(link.name)") { try socket.deleteLink(link.index) }
        }
        let record = try ledger.node()
        if let table = record.table {
            _ = try wrapped("remove table \(table)") { try NFTablesSocket().deleteTable(.inet, table) }
        }
        for setting in record.settings.reversed() {
            try wrapped("system settings") { try Files.writeExisting(setting.value, to: "/proc/sys/" + setting.path) }
        }
        try ledger.erase()
    }
}

extension String {
    fileprivate var trimmed: String { String(self[...].drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed()) }
}
