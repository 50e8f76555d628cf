import JSONTree

struct CustomResourceDefinitionStrategy: ResourceStrategy {
    /// Holds a definition back until its objects are gone.
    static let cleanup: JSON = "customresourcecleanup.apiextensions.k8s.io"

    var hasGeneration: Bool { true }

    func applyDefaults(to object: inout JSON) {
        guard let kind = object[path: "spec", "names", "kind"]?.string, !kind.isEmpty else { return }
        if (object[path: "spec", "names", "singular"]?.string ?? "").isEmpty { object["spec"]?["names"]?["singular"] = .string(kind.lowercased()) }
        if (object[path: "spec", "names", "listKind"]?.string ?? "").isEmpty { object["spec"]?["names"]?["listKind"] = .string(kind + "List") }
    }

    func prepareForCreate(_ object: inout JSON) {
        object["status"] = ["conditions": [], "acceptedNames": ["plural": "", "kind": ""], "storedVersions": .array(Self.storageVersions(object))]
        var finalizers = object[path: "metadata", "finalizers"]?.array ?? []
        if !finalizers.contains(Self.cleanup) { finalizers.append(Self.cleanup) }
        object["metadata"]?["finalizers"] = .array(finalizers)
    }

    /// A version in which objects may be stored stays known until somebody says that none is any more.
    func prepareForUpdate(_ object: inout JSON, from old: JSON) {
        var stored = old[path: "status", "storedVersions"]?.array ?? []
        for version in Self.storageVersions(object) where !stored.contains(version) { stored.append(version) }
        if object["status"]?.object != nil { object["status"]?["storedVersions"] = .array(stored) }
    }

    private static func storageVersions(_ object: JSON) -> [JSON] {
        (object[path: "spec", "versions"]?.array ?? []).filter { $0["storage"] == true }.compactMap { $0["name"] }
    }

    // MARK: rules

    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        let spec = object["spec"] ?? [:]
        let (plural, group) = (spec[path: "names", "plural"]?.string ?? "", spec["group"]?.string ?? "")
        if let name = object[path: "metadata", "name"]?.string, name != "\(plural).\(group)" {
            errors.append(.invalid(.metadata.child("name"), JSON(name), "must be spec.names.plural+\".\"+spec.group"))
        }
        validateGroup(group, object, &errors)
        validateNames(spec["names"] ?? [:], at: FieldPath.spec.child("names"), &errors)
        if spec["scope"] == nil { errors.append(.required(FieldPath.spec.child("scope"))) }
        if spec[path: "conversion", "strategy"] == "Webhook" {
            errors.append(.unsupported(FieldPath.spec.child("conversion").child("strategy"), "Webhook", supported: ["None"]))
        }
        if spec["preserveUnknownFields"] == true {
            errors.append(.invalid(
                FieldPath.spec.child("preserveUnknownFields"), true,
                "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"))
        }
        validateVersions(spec["versions"]?.array ?? [], at: FieldPath.spec.child("versions"), &errors)
        let names = (spec["versions"]?.array ?? []).compactMap { $0["name"] }
        for (index, version) in (object[path: "status", "storedVersions"]?.array ?? []).enumerated() where !names.contains(version) {
            errors.append(.invalid(
                FieldPath.status.child("storedVersions").index(index), version,
                "missing from spec.versions; \(version.string ?? "") was previously a storage version, and must remain in spec.versions until a "
                    + "storage migration ensures no data remains persisted in \(version.string ?? "") and removes "
                    + "\(version.string ?? "") from status.storedVersions"))
        }
    }

    private func validateGroup(_ group: String, _ object: JSON, _ errors: inout [FieldError]) {
        let path = FieldPath.spec.child("group")
        if group.isEmpty { return errors.append(.required(path)) }
        errors += ValueFormat.dnsSubdomain(group).map { .invalid(path, JSON(group), $0) }
        if !group.contains(".") { errors.append(.invalid(path, JSON(group), "should be a domain with at least one dot")) }
        let annotation = "api-approved.kubernetes.io"
        let isProtected = [".k8s.io", ".kubernetes.io"].contains { group.hasSuffix($0) } || group == "k8s.io" || group == "kubernetes.io"
        if isProtected, (object["metadata"]?["annotations"]?[annotation]?.string ?? "").isEmpty {
            errors.append(.required(
                .metadata.child("annotations").key(annotation),
                "protected groups must have approval annotation \"\(annotation)\", see https://github.com/kubernetes/enhancements/pull/1111"))
        }
    }

    private func validateNames(_ names: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        for key in ["plural", "singular", "kind", "listKind"] {
            let name = names[key]?.string ?? ""
            if name.isEmpty {
                errors.append(.required(path.child(key)))
                continue
            }
            let isKind = key == "kind" || key == "listKind"
            for problem in ValueFormat.dns1035Label(isKind ? name.lowercased() : name) {
                errors.append(.invalid(path.child(key), JSON(name), isKind ? "may have mixed case, but should otherwise match: \(problem)" : problem))
            }
        }
        for key in ["shortNames", "categories"] {
            for (index, name) in (names[key]?.array ?? []).enumerated() {
                errors += ValueFormat.dns1035Label(name.string ?? "").map { .invalid(path.child(key).index(index), name, $0) }
            }
        }
        if let kind = names["kind"], kind != "", kind == names["listKind"] {
            errors.append(.invalid(path.child("listKind"), kind, "kind and listKind may not be the same"))
        }
    }

    private func validateVersions(_ versions: [JSON], at path: FieldPath, _ errors: inout [FieldError]) {
        if versions.isEmpty { errors.append(.invalid(path, .array(versions), "must have at least one version")) }
        var seen: Set<String> = []
        for (index, version) in versions.enumerated() {
            let path = path.index(index)
            let name = version["name"]?.string ?? ""
            if !seen.insert(name).inserted { errors.append(.invalid(FieldPath.spec.child("versions"), .array(versions.map { $0["name"] ?? "" }), "must contain unique version names")) }
            errors += ValueFormat.dns1035Label(name).map { .invalid(path.child("name"), JSON(name), $0) }
            let schemaPath = path.child("schema").child("openAPIV3Schema")
            if let schema = version[path: "schema", "openAPIV3Schema"] {
                errors += StructuralSchema.problems(schema, at: schemaPath)
            } else {
                errors.append(.required(schemaPath, "schemas are required"))
            }
            validateParts(version, at: path, &errors)
        }
        if versions.filter({ $0["storage"] == true }).count != 1, !versions.isEmpty {
            errors.append(.invalid(path, .array(versions.map { $0["name"] ?? "" }), "must have exactly one version marked as storage version"))
        }
    }

    private func validateParts(_ version: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        if let scale = version[path: "subresources", "scale"] {
            let path = path.child("subresources").child("scale")
            for (key, root) in [("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")] {
                let text = scale[key]?.string ?? ""
                if text.isEmpty { errors.append(.required(path.child(key))) }
                else if !text.hasPrefix(root) { errors.append(.invalid(path.child(key), JSON(text), "should be a json path under \(root.dropLast())")) }
            }
        }
        let types = ["integer", "number", "string", "boolean", "date"]
        for (index, column) in (version["additionalPrinterColumns"]?.array ?? []).enumerated() {
            let path = path.child("additionalPrinterColumns").index(index)
            if (column["name"]?.string ?? "").isEmpty { errors.append(.required(path.child("name"))) }
            if !types.contains(column["type"]?.string ?? "") { errors.append(.unsupported(path.child("type"), column["type"] ?? "", supported: types)) }
            let text = column["jsonPath"]?.string ?? ""
            if text.isEmpty { errors.append(.required(path.child("jsonPath"))) }
            else if PrinterPath(text) == nil { errors.append(.invalid(path.child("jsonPath"), JSON(text), "is an invalid path")) }
        }
    }

    func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        let established = (old[path: "status", "conditions"]?.array ?? []).contains { $0["type"] == "Established" && $0["status"] == "True" }
        var fixed: [(FieldPath, JSON?, JSON?)] = [(FieldPath.spec.child("group"), object[path: "spec", "group"], old[path: "spec", "group"])]
        fixed.append((FieldPath.spec.child("names").child("plural"), object[path: "spec", "names", "plural"], old[path: "spec", "names", "plural"]))
        if established {
            fixed.append((FieldPath.spec.child("scope"), object[path: "spec", "scope"], old[path: "spec", "scope"]))
            fixed.append((FieldPath.spec.child("names").child("kind"), object[path: "spec", "names", "kind"], old[path: "spec", "names", "kind"]))
        }
        for (path, new, before) in fixed where new != before { errors.append(.invalid(path, new ?? "", "field is immutable")) }
    }
}
