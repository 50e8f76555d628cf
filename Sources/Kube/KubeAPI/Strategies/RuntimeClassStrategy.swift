import JSONTree

struct RuntimeClassStrategy: ResourceStrategy {
    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        let handler = object["handler"]?.string ?? ""
        errors += ValueFormat.dnsLabel(handler).map { .invalid(FieldPath("handler"), JSON(handler), $0) }
        for (name, value) in object[path: "overhead", "podFixed"]?.object ?? [:] {
            let path = FieldPath("overhead").child("podFixed").key(name)
            errors += ValueFormat.qualifiedName(name).map { .invalid(path, JSON(name), $0) }
            guard let quantity = value.string.flatMap({ try? Quantity($0) }), quantity < .zero else { continue }
            errors.append(.invalid(path, value, "must be greater than or equal to 0"))
        }
        let scheduling = FieldPath("scheduling")
        ObjectMetaValidation.validateLabels(object[path: "scheduling", "nodeSelector"], at: scheduling.child("nodeSelector"), &errors)
        var seen: Set<JSON> = []
        for (index, toleration) in (object[path: "scheduling", "tolerations"]?.array ?? []).enumerated() {
            if !seen.insert(toleration).inserted { errors.append(.duplicate(scheduling.child("tolerations").index(index), toleration)) }
        }
    }

    func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        guard object["handler"] != old["handler"] else { return }
        errors.append(.invalid(FieldPath("handler"), object["handler"] ?? "", "field is immutable"))
    }
}
