import JSONTree

struct NetworkPolicyStrategy: ResourceStrategy {
    var hasGeneration: Bool { true }

    /// A policy is about ingress always, and about egress if it says anything on it.
    func applyDefaults(to object: inout JSON) {
        guard object["spec"]?.object != nil, (object["spec"]?["policyTypes"]?.array ?? []).isEmpty else { return }
        let hasEgress = !(object["spec"]?["egress"]?.array ?? []).isEmpty
        object["spec"]?["policyTypes"] = hasEgress ? ["Ingress", "Egress"] : ["Ingress"]
    }

    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        let spec = object["spec"] ?? [:]
        LabelSelectorValidation.validate(spec["podSelector"], at: FieldPath.spec.child("podSelector"), &errors)
        for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
            for (index, rule) in (spec[rules]?.array ?? []).enumerated() {
                let path = FieldPath.spec.child(rules).index(index)
                for (position, port) in (rule["ports"]?.array ?? []).enumerated() {
                    Self.validatePort(port, at: path.child("ports").index(position), &errors)
                }
                for (position, peer) in (rule[peers]?.array ?? []).enumerated() {
                    Self.validatePeer(peer, at: path.child(peers).index(position), &errors)
                }
            }
        }
        let types = spec["policyTypes"]?.array ?? []
        if types.count > 2 { errors.append(.invalid(FieldPath.spec.child("policyTypes"), .array(types), "may not specify more than two policyTypes")) }
    }

    private static func validatePort(_ rule: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        let end = rule["endPort"]?.int
        let endPath = path.child("endPort")
        switch rule["port"] {
        case .number(let number)?:
            let port = number.int64 ?? 0
            if !(1...65535).contains(port) { errors.append(.invalid(path.child("port"), JSON(port), ValueFormat.range(1, 65535))) }
            guard let end else { return }
            if end < port { errors.append(.invalid(endPath, JSON(end), "must be greater than or equal to `port`")) }
            if !(1...65535).contains(end) { errors.append(.invalid(endPath, JSON(end), ValueFormat.range(1, 65535))) }
        case .string(let name)?:
            if let end { errors.append(.invalid(endPath, JSON(end), "may not be specified when `port` is non-numeric")) }
            errors += ValueFormat.portName(name).map { .invalid(path.child("port"), JSON(name), $0) }
        default:
            if let end { errors.append(.invalid(endPath, JSON(end), "may not be specified when `port` is not specified")) }
        }
    }

    private static func validatePeer(_ peer: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        for key in ["podSelector", "namespaceSelector"] { LabelSelectorValidation.validate(peer[key], at: path.child(key), &errors) }
        let selects = peer["podSelector"] != nil || peer["namespaceSelector"] != nil
        if let block = peer["ipBlock"] {
            validateBlock(block, at: path.child("ipBlock"), &errors)
            if selects { errors.append(.forbidden(path, "may not specify both ipBlock and another peer")) }
        } else if !selects {
            errors.append(.required(path, "must specify a peer"))
        }
    }

    private static func validateBlock(_ block: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        let text = block["cidr"]?.string ?? ""
        if text.isEmpty {
            errors.append(.required(path.child("cidr")))
            return
        }
        guard let range = AddressRange(text) else {
            errors.append(.invalid(path.child("cidr"), JSON(text), AddressRange.words))
            return
        }
        for (index, item) in (block["except"]?.array ?? []).enumerated() {
            let path = path.child("except").index(index)
            guard let except = AddressRange(item.string ?? "") else {
                errors.append(.invalid(path, item, AddressRange.words))
                continue
            }
            if !except.isStrictSubset(of: range) { errors.append(.invalid(path, item, "must be a strict subset of `cidr`")) }
        }
    }
}
