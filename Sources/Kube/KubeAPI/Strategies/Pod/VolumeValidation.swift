import JSONTree

/// The rules for a pod's volumes.
enum VolumeValidation {
    /// - Returns: the names of the volumes, for those who mount them.
    static func validate(_ volumes: [JSON], at path: FieldPath, _ errors: inout [FieldError]) -> Set<String> {
        var names: Set<String> = []
        for (index, volume) in volumes.enumerated() {
            let path = path.index(index)
            if let name = volume["name"]?.string, !name.isEmpty, !names.insert(name).inserted {
                errors.append(.duplicate(path.child("name"), JSON(name)))
            }
            let sources = (volume.object?.keys ?? []).filter { $0 != "name" }
            if sources.isEmpty { errors.append(.required(path, "must specify a volume type")) }
            for source in sources.dropFirst() { errors.append(.forbidden(path.child(source), "may not specify more than 1 volume type")) }
            if let source = sources.first, let value = volume[source] { validate(source, value, at: path.child(source), &errors) }
        }
        return names
    }

    private static func validate(_ source: String, _ value: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        switch source {
        case "hostPath":
            if let text = value["path"]?.string, text.split(separator: "/").contains("..") {
                errors.append(.invalid(path.child("path"), JSON(text), "must not contain '..'"))
            }
        case "emptyDir":
            if let text = value["sizeLimit"]?.string, let limit = try? Quantity(text), limit < .zero {
                errors.append(.forbidden(path.child("sizeLimit"), "SizeLimit field must be a valid resource quantity"))
            }
            if let medium = value["medium"]?.string, !["", "Memory"].contains(medium), !medium.hasPrefix("HugePages") {
                errors.append(.unsupported(path.child("medium"), JSON(medium), supported: ["", "HugePages", "Memory"]))
            }
        case "configMap":
            if (value["name"]?.string ?? "").isEmpty { errors.append(.required(path.child("name"))) }
            validateItems(value, at: path, &errors)
        case "secret":
            if (value["secretName"]?.string ?? "").isEmpty { errors.append(.required(path.child("secretName"))) }
            validateItems(value, at: path, &errors)
        case "downwardAPI": validateDownward(value, at: path, &errors)
        case "projected": validateProjected(value, at: path, &errors)
        default: break
        }
    }

    /// Two items must not have the same path.
    private static func validateItems(_ value: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        var paths: Set<String> = []
        for (index, item) in (value["items"]?.array ?? []).enumerated() {
            guard let text = item["path"]?.string, !text.isEmpty, !paths.insert(text).inserted else { continue }
            errors.append(.duplicate(path.child("items").index(index).child("path"), JSON(text)))
        }
    }

    private static func validateDownward(_ value: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        for (index, item) in (value["items"]?.array ?? []).enumerated() {
            let path = path.child("items").index(index)
            switch (item["fieldRef"], item["resourceFieldRef"]) {
            case (nil, nil): errors.append(.required(path, "one of fieldRef and resourceFieldRef is required"))
            case (.some, .some): errors.append(.invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"))
            case (let reference?, nil):
                FieldReference.validate(reference, at: path.child("fieldRef"), allowed: FieldReference.forVolumes, &errors)
            case (nil, .some): break
            }
        }
    }

    private static func validateProjected(_ value: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        for (index, projection) in (value["sources"]?.array ?? []).enumerated() {
            let path = path.child("sources").index(index)
            let sources = projection.object?.keys ?? []
            if sources.isEmpty { errors.append(.required(path, "must specify a source")) }
            for source in sources.dropFirst() { errors.append(.forbidden(path.child(source), "may not specify more than 1 volume type per source")) }
            for source in ["configMap", "secret"] {
                guard let reference = projection[source] else { continue }
                if (reference["name"]?.string ?? "").isEmpty { errors.append(.required(path.child(source).child("name"))) }
                validateItems(reference, at: path.child(source), &errors)
            }
            if let downward = projection["downwardAPI"] { validateDownward(downward, at: path.child("downwardAPI"), &errors) }
        }
    }
}

/// References to fields of the pod itself.
enum FieldReference {
    static let forVariables = [
        "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs",
        "status.podIP", "status.podIPs",
    ]
    static let forVolumes = ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"]

    static func validate(_ reference: JSON, at path: FieldPath, allowed: [String], _ errors: inout [FieldError]) {
        guard let field = reference["fieldPath"]?.string, !field.isEmpty else { return }
        if allowed.contains(field) { return }
        // One label or annotation: metadata.labels['key'].
        for prefix in ["metadata.labels['", "metadata.annotations['"] where field.hasPrefix(prefix) && field.hasSuffix("']") {
            let key = String(field.dropFirst(prefix.count).dropLast(2))
            errors += ValueFormat.qualifiedName(key.lowercased()).map { .invalid(path.child("fieldPath"), JSON(field), $0) }
            return
        }
        errors.append(.unsupported(path.child("fieldPath"), JSON(field), supported: allowed))
    }
}
