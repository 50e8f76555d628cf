import JSONTree

/// The rules for a `LabelSelector`, wherever one is. The schema has judged keys and operators.
enum LabelSelectorValidation {
    static func validate(_ selector: JSON?, at path: FieldPath, _ errors: inout [FieldError]) {
        ObjectMetaValidation.validateLabels(selector?["matchLabels"], at: path.child("matchLabels"), &errors)
        for (index, expression) in (selector?["matchExpressions"]?.array ?? []).enumerated() {
            let path = path.child("matchExpressions").index(index).child("values")
            let values = expression["values"]?.array ?? []
            switch expression["operator"]?.string {
            case "In", "NotIn":
                if values.isEmpty { errors.append(.required(path, "must be specified when `operator` is 'In' or 'NotIn'")) }
            case "Exists", "DoesNotExist":
                if !values.isEmpty { errors.append(.forbidden(path, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")) }
            default: break
            }
            for (position, value) in values.enumerated() {
                errors += ValueFormat.labelValue(value.string ?? "").map { .invalid(path.index(position), value, $0) }
            }
        }
    }

    /// Whether a selector asks nothing, and so matches everything.
    static func isEmpty(_ selector: JSON) -> Bool {
        (selector["matchLabels"]?.object ?? [:]).isEmpty && (selector["matchExpressions"]?.array ?? []).isEmpty
    }
}
