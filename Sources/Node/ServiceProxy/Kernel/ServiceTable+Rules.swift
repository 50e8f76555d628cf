internal import Netlink

extension ServiceTable {
    private typealias E = NFTablesExpression

    /// 32-bit registers of an address.
    private static func words(_ family: IPAddress.Family) -> Int { Int(family.width) / 32 }

    /// Loads the packet's frontend (destination address . protocol . port) into the registers from `first` on.
    private static func frontend(_ family: IPAddress.Family, at first: Int) -> [NFTablesExpression] {
        let words = words(family)
        return [
            .address(.destination, family, into: E.word(first)), .meta(.transportProtocol, into: E.word(first + words)),
            .port(.destination, into: E.word(first + words + 1)),
        ]
    }

    /// The same as it was before translation.
    private static func originalFrontend(_ family: IPAddress.Family) -> [NFTablesExpression] {
        let words = words(family)
        return [
            .conntrack(.originalDestination(family), into: E.word(0)), .meta(.transportProtocol, into: E.word(words)),
            .conntrack(.originalDestinationPort, into: E.word(words + 1)),
        ]
    }

    /// Connections that this packet begins. Conntrack is at -200, earlier than every hook here.
    private static let isNew: [NFTablesExpression] = [.conntrack(.state, into: E.word(0))] + E.anyBit(8, of: E.word(0))
    private static let isTranslated: [NFTablesExpression] = [.conntrack(.status, into: E.word(0))] + E.anyBit(0x20, of: E.word(0))

    /// The rules that do not depend on any Service.
    func addRules(to batch: inout NFTablesBatch) {
        for chain in ["inside", "everyone", "guard", "refuse", "masquerade"] { batch.addChain(.inet, table: name, chain) }
        for family in Self.families {
            let isFamily = NFTablesExpression.family(family)
            let frontend = isFamily + Self.frontend(family, at: 0)
            for (chain, set) in [("inside", SetName.inside), ("everyone", .front)] {
                rule(&batch, chain, frontend + [
                    .lookup(set.named(family), from: E.word(0), into: E.word(8)), .setMeta(.priority, from: E.word(8)),
                    .meta(.priority, into: E.word(8)), .lookup(SetName.balance.named(family), from: E.word(8), into: 0),
                ])
            }
            let source = NFTablesExpression.address(.source, family, into: E.word(Self.words(family) + 2))
            rule(&batch, "guard", frontend + [
                .lookup(SetName.guarded.named(family), from: E.word(0)), source,
                .lookup(SetName.allowed.named(family), from: E.word(0), inverted: true), .verdict(.drop),
            ])
            rule(&batch, "refuse", frontend + [.lookup(SetName.reject.named(family), from: E.word(0)), .reject(.portUnreachable)])
            rule(&batch, "refuse", frontend + [.lookup(SetName.drop.named(family), from: E.word(0)), .verdict(.drop)])
            // A cluster IP or a port of one that nobody has: an answer at once, instead of a search on an empty bridge.
            rule(&batch, "refuse", isFamily + [
                .address(.destination, family, into: E.word(0)), .lookup(SetName.services.named(family), from: E.word(0)), .reject(.portUnreachable),
            ])
            addMasquerading(family, isFamily, &batch)
        }
        addHooks(&batch)
    }

    private func addMasquerading(_ family: IPAddress.Family, _ isFamily: [NFTablesExpression], _ batch: inout NFTablesBatch) {
        let source = NFTablesExpression.address(.source, family, into: E.word(0))
        rule(&batch, "masquerade", isFamily + [
            source, .address(.destination, family, into: E.word(Self.words(family))), .lookup(SetName.hairpin.named(family), from: E.word(0)), .masqueradeFullyRandom,
        ])
        rule(&batch, "masquerade", isFamily + Self.originalFrontend(family) + [
            .lookup(SetName.masqueradeown.named(family), from: E.word(0)), .addressType(.source, into: E.word(0)),
            .compare(E.word(0), .equal, [2, 0, 0, 0]),  // RTN_LOCAL
            .masqueradeFullyRandom,
        ])
        let isOther = isFamily + [source, .lookup(SetName.pods.named(family), from: E.word(0), inverted: true)]
        rule(&batch, "masquerade", isOther + [
            .conntrack(.originalDestination(family), into: E.word(0)), .lookup(SetName.services.named(family), from: E.word(0)), .masqueradeFullyRandom,
        ])
        rule(&batch, "masquerade", isOther + Self.originalFrontend(family) + [
            .lookup(SetName.masquerade.named(family), from: E.word(0)), .masqueradeFullyRandom,
        ])
    }

    /// Where the chains hang in the packet's path. Guards come before translation (-100), refusals after it.
    private func addHooks(_ batch: inout NFTablesBatch) {
        func hook(_ chain: String, _ kind: NFTablesHook.Kind, _ point: NFTablesHook.Point, _ priority: Int32) {
            batch.addChain(.inet, table: name, chain, hook: NFTablesHook(kind, point, priority: priority))
        }
        for (chain, point) in [("guard-prerouting", NFTablesHook.Point.prerouting), ("guard-output", .output)] {
            hook(chain, .filter, point, -110)
            rule(&batch, chain, Self.isNew + [.verdict(.jump("guard"))])
        }
        hook("nat-prerouting", .nat, .prerouting, -100)
        for family in Self.families {
            rule(&batch, "nat-prerouting", NFTablesExpression.family(family) + [
                .address(.source, family, into: E.word(0)), .lookup(SetName.pods.named(family), from: E.word(0)), .verdict(.jump("inside")),
            ])
        }
        rule(&batch, "nat-prerouting", [.verdict(.jump("everyone"))])
        hook("nat-output", .nat, .output, -100)
        rule(&batch, "nat-output", [.verdict(.jump("inside"))])
        rule(&batch, "nat-output", [.verdict(.jump("everyone"))])
        for (chain, point) in [("refuse-input", NFTablesHook.Point.input), ("refuse-forward", .forward), ("refuse-output", .output)] {
            hook(chain, .filter, point, 0)
            rule(&batch, chain, Self.isNew + [.verdict(.jump("refuse"))])
        }
        hook("nat-postrouting", .nat, .postrouting, 100)
        rule(&batch, "nat-postrouting", Self.isTranslated + [.verdict(.jump("masquerade"))])
    }

    private func rule(_ batch: inout NFTablesBatch, _ chain: String, _ expressions: [NFTablesExpression]) {
        batch.addRule(.inet, table: name, chain: chain, expressions)
    }

    /// The chain that spreads connections over a list, and the rules in it.
    ///
    /// Registers: client, frontend, a number, backend. With affinity: first the endpoint that the client had, if it still
    /// lives; else a new one is chosen and remembered. The old memory is deleted first, since an update of an element keeps
    /// its value. If the memory is full, the last rule chooses without it.
    func addChain(_ balancer: Balancer, _ family: IPAddress.Family, to batch: inout NFTablesBatch) {
        let chain = Self.chain(balancer, family)
        batch.addChain(.inet, table: name, chain)
        let words = Self.words(family)
        let (client, frontend, number, backend) = (E.word(0), E.word(words), E.word(2 * words + 2), E.word(2 * words + 3))
        let isLocal = balancer.scope == .local
        let key = NFTablesExpression.family(family) + Self.frontend(family, at: words)
        let random = NFTablesExpression.random(below: balancer.count, into: number)
        // The priority was borrowed.
        let translate: [NFTablesExpression] = [
            .immediate(client, [0, 0, 0, 0]), .setMeta(.priority, from: client),
            .destinationNAT(family, address: backend, port: E.word(3 * words + 3)),
        ]
        guard balancer.affinitySeconds > 0 else {
            rule(&batch, chain, key + [random, .lookup((isLocal ? SetName.picklocal : .pick).named(family), from: frontend, into: backend)] + translate)
            return
        }
        let memory = (isLocal ? SetName.affinitylocal : .affinity).named(family)
        let known = key + [.address(.source, family, into: client)]
        let timeout = UInt64(balancer.affinitySeconds) * 1000
        func change(_ operation: NFTablesExpression.SetChange) -> NFTablesExpression {
            .change(operation, memory, key: client, data: number, timeout: operation == .delete ? 0 : timeout)
        }
        // The token goes through the priority and stands behind the frontend.
        let token: [NFTablesExpression] = [.setMeta(.priority, from: backend), .meta(.priority, into: number)]
        let choose = [random, .lookup((isLocal ? SetName.chooselocal : .choose).named(family), from: frontend, into: backend)] + token
        let find = NFTablesExpression.lookup((isLocal ? SetName.livelocal : .live).named(family), from: frontend, into: backend)
        rule(&batch, chain, known + [.lookup(memory, from: client, into: backend)] + token + [find, change(.update)] + translate)
        rule(&batch, chain, known + choose + [change(.delete), change(.update), find] + translate)
        rule(&batch, chain, key + choose + [find] + translate)
    }
}
