import JSONTree

/// The rules for requests and limits.
enum ResourceValidation {
    static func validate(_ resources: JSON?, at path: FieldPath, _ errors: inout [FieldError]) {
        guard let resources else { return }
        let limits = quantities(resources["limits"])
        for list in ["limits", "requests"] {
            for (name, value) in resources[list]?.object ?? [:] {
                let path = path.child(list).key(name)
                validateName(name, at: path, &errors)
                guard let text = value.string, let quantity = try? Quantity(text) else { continue }
                if quantity < .zero { errors.append(.invalid(path, value, "must be greater than or equal to 0")) }
                if !isOvercommitAllowed(name), quantity.milliValue % 1000 != 0 { errors.append(.invalid(path, value, "must be an integer")) }
                if list == "requests" { compare(quantity, value, limit: limits[name], name, at: path, &errors) }
            }
        }
    }

    private static func compare(
        _ request: Quantity, _ value: JSON, limit: Quantity?, _ name: String, at path: FieldPath, _ errors: inout [FieldError]
    ) {
        guard let limit else {
            if !isOvercommitAllowed(name) { errors.append(.required(path, "Limit must be set for non overcommitable resources")) }
            return
        }
        if request > limit {
            errors.append(.invalid(path, value, "must be less than or equal to \(name) limit of \(limit)"))
        } else if request != limit, !isOvercommitAllowed(name) {
            errors.append(.invalid(path, value, "must be equal to \(name) limit of \(limit)"))
        }
    }

    private static func quantities(_ list: JSON?) -> [String: Quantity] {
        var quantities: [String: Quantity] = [:]
        for (name, value) in list?.object ?? [:] { quantities[name] = value.string.flatMap { try? Quantity($0) } }
        return quantities
    }

    /// Kubernetes' own resources may be asked for less than limited; huge pages and devices may not.
    private static func isOvercommitAllowed(_ name: String) -> Bool {
        (!name.contains("/") || name.hasPrefix("kubernetes.io/")) && !name.hasPrefix("hugepages-")
    }

    private static func validateName(_ name: String, at path: FieldPath, _ errors: inout [FieldError]) {
        let problems = ValueFormat.qualifiedName(name)
        errors += problems.map { .invalid(path, JSON(name), $0) }
        if !problems.isEmpty || name.contains("/") { return }
        if !["cpu", "memory", "ephemeral-storage"].contains(name), !name.hasPrefix("hugepages-") {
            errors.append(.invalid(path, JSON(name), "must be a standard resource for containers"))
        }
    }
}
