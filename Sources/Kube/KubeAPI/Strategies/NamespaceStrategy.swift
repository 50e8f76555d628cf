import JSONTree

struct NamespaceStrategy: ResourceStrategy {
    func nameProblems(_ name: String) -> [String] { ValueFormat.dnsLabel(name) }

    /// The label by which selectors find a namespace by its name (KEP-2161).
    func applyDefaults(to object: inout JSON) {
        guard let name = object[path: "metadata", "name"]?.string, !name.isEmpty else { return }
        if object["metadata"]?["labels"]?.object == nil { object["metadata"]?["labels"] = [:] }
        object["metadata"]?["labels"]?["kubernetes.io/metadata.name"] = .string(name)
    }

    func prepareForCreate(_ object: inout JSON) {
        object["status"] = ["phase": "Active"]
        let finalizers = object[path: "spec", "finalizers"]?.array ?? []
        if !finalizers.contains("kubernetes") { object["spec"] = ["finalizers": .array(finalizers + ["kubernetes"])] }
    }

    /// Finalizers of the spec go by the `finalize` subresource only.
    func prepareForUpdate(_ object: inout JSON, from old: JSON) { object["spec"] = old["spec"] }
}
