import JSONTree

/// The rules for `metadata`, alike for every kind.
enum ObjectMetaValidation {
    /// All annotations together, keys and values.
    static let maximumAnnotationBytes = 256 << 10

    static func validate(_ object: JSON, _ definition: ResourceDefinition, _ errors: inout [FieldError]) {
        let metadata = object["metadata"]
        validateName(metadata, definition, &errors)
        validateNamespace(metadata, definition, &errors)
        if let generation = metadata?["generation"]?.int, generation < 0 {
            errors.append(.invalid(.metadata.child("generation"), JSON(generation), "must be greater than or equal to 0"))
        }
        validateLabels(metadata?["labels"], at: .metadata.child("labels"), &errors)
        validateAnnotations(metadata?["annotations"], at: .metadata.child("annotations"), &errors)
        validateOwners(metadata?["ownerReferences"]?.array ?? [], at: .metadata.child("ownerReferences"), &errors)
        for finalizer in metadata?["finalizers"]?.array ?? [] {
            for problem in ValueFormat.qualifiedName(finalizer.string ?? "") {
                errors.append(.invalid(.metadata.child("finalizers"), finalizer, problem))
            }
        }
    }

    private static func validateName(_ metadata: JSON?, _ definition: ResourceDefinition, _ errors: inout [FieldError]) {
        let path = FieldPath.metadata.child("name")
        if let base = metadata?["generateName"]?.string, !base.isEmpty {
            // A dash at the end is fine: random characters follow.
            let shown = base.hasSuffix("-") ? base.dropLast() + "a" : base
            for problem in definition.strategy.nameProblems(String(shown)) {
                errors.append(.invalid(.metadata.child("generateName"), JSON(base), problem))
            }
        }
        guard let name = metadata?["name"]?.string, !name.isEmpty else {
            errors.append(.required(path, "name or generateName is required"))
            return
        }
        for problem in definition.strategy.nameProblems(name) { errors.append(.invalid(path, JSON(name), problem)) }
    }

    private static func validateNamespace(_ metadata: JSON?, _ definition: ResourceDefinition, _ errors: inout [FieldError]) {
        let path = FieldPath.metadata.child("namespace")
        let namespace = metadata?["namespace"]?.string ?? ""
        if definition.namespaced {
            if namespace.isEmpty { errors.append(.required(path)) }
            else { errors += ValueFormat.dnsLabel(namespace).map { .invalid(path, JSON(namespace), $0) } }
        } else if !namespace.isEmpty {
            errors.append(.forbidden(path, "not allowed on this type"))
        }
    }

    /// The rules for labels, wherever they are.
    static func validateLabels(_ labels: JSON?, at path: FieldPath, _ errors: inout [FieldError]) {
        for (key, value) in labels?.object ?? [:] {
            errors += ValueFormat.qualifiedName(key).map { .invalid(path, JSON(key), $0) }
            errors += ValueFormat.labelValue(value.string ?? "").map { .invalid(path.key(key), value, $0) }
        }
    }

    static func validateAnnotations(_ annotations: JSON?, at path: FieldPath, _ errors: inout [FieldError]) {
        var bytes = 0
        for (key, value) in annotations?.object ?? [:] {
            errors += ValueFormat.qualifiedName(key.lowercased()).map { .invalid(path, JSON(key), $0) }
            bytes += key.utf8.count + (value.string?.utf8.count ?? 0)
        }
        if bytes > maximumAnnotationBytes { errors.append(.tooLong(path, maximumBytes: maximumAnnotationBytes)) }
    }

    private static func validateOwners(_ owners: [JSON], at path: FieldPath, _ errors: inout [FieldError]) {
        var controllers: [String] = []
        for (index, owner) in owners.enumerated() {
            let path = path.index(index)
            for key in ["apiVersion", "kind", "name", "uid"] where (owner[key]?.string ?? "").isEmpty {
                errors.append(.invalid(path.child(key), owner[key] ?? "", key == "apiVersion" ? "version must not be empty" : "must not be empty"))
            }
            if owner["controller"] == true { controllers.append("\(owner["kind"]?.string ?? "")/\(owner["name"]?.string ?? "")") }
        }
        if controllers.count > 1 {
            errors.append(.invalid(
                path, .array(owners),
                "Only one reference can have Controller set to true. Found \"true\" in references for \(controllers.joined(separator: " and "))"))
        }
    }

    static func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        for key in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
            let (new, stored) = (object["metadata"]?[key], old["metadata"]?[key])
            if new != stored { errors.append(.invalid(.metadata.child(key), new ?? "", "field is immutable")) }
        }
        guard old["metadata"]?["deletionTimestamp"] != nil else { return }
        let known = old["metadata"]?["finalizers"]?.array ?? []
        let added = (object["metadata"]?["finalizers"]?.array ?? []).filter { !known.contains($0) }
        if !added.isEmpty {
            let names = added.map(\.description).joined(separator: ", ")
            errors.append(.forbidden(
                .metadata.child("finalizers"),
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{\(names)}"))
        }
    }
}
