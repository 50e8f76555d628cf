import JSONTree

struct NodeStrategy: ResourceStrategy {
    var keepsStatusOnCreate: Bool { true }

    func applyDefaults(to object: inout JSON) {
        guard let capacity = object["status"]?["capacity"], object["status"]?["allocatable"] == nil else { return }
        object["status"]?["allocatable"] = capacity
    }

    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        let path = FieldPath.spec.child("taints")
        var seen: Set<String> = []
        for (index, taint) in (object[path: "spec", "taints"]?.array ?? []).enumerated() {
            let identity = "\(taint["key"]?.string ?? ""):\(taint["effect"]?.string ?? "")"
            if !seen.insert(identity).inserted { errors.append(.duplicate(path.index(index), taint)) }
            errors += ValueFormat.labelValue(taint["value"]?.string ?? "").map { .invalid(path.index(index).child("value"), taint["value"] ?? "", $0) }
        }
    }

    func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        for key in ["podCIDRs", "podCIDR", "providerID"] {
            let stored = old["spec"]?[key]
            guard let stored, stored != "", stored != [], object["spec"]?[key] != stored else { continue }
            errors.append(.forbidden(.spec.child(key), "node updates may not change \(key) except from \"\" to valid"))
        }
    }

    func validateStatusUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        for list in ["capacity", "allocatable"] {
            let path = FieldPath.status.child(list)
            for (name, value) in object["status"]?[list]?.object ?? [:] {
                errors += ValueFormat.qualifiedName(name).map { .invalid(path.key(name), JSON(name), $0) }
                guard let quantity = value.string.flatMap({ try? Quantity($0) }), quantity < .zero else { continue }
                errors.append(.invalid(path.key(name), value, "must be greater than or equal to 0"))
            }
        }
    }
}
