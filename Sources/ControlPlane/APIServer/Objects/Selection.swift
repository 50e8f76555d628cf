internal import KubeAPI

/// Which objects of a resource a list or a watch is about.
struct Selection: Sendable {
    /// Empty for all namespaces.
    let namespace: String
    private let labels: LabelRequirements?
    private let fieldRequirements: FieldRequirements?
    private let fields: SelectableFields
    /// The only name that can match, if the field selector says so.
    let name: String?

    init(
        namespace: String, labelSelector: String, fieldSelector: String, fields: SelectableFields, resource: GroupResource
    ) throws(StatusError) {
        self.fields = fields
        do {
            labels = labelSelector.isEmpty ? nil : try LabelRequirements(parsing: labelSelector)
        } catch {
            throw .badRequest("unable to parse requirement: \(error.message)")
        }
        let selector: FieldRequirements?
        do {
            selector = fieldSelector.isEmpty ? nil : try FieldRequirements(parsing: fieldSelector)
        } catch {
            throw .badRequest(error.message)
        }
        let requirements = selector?.requirements ?? []
        for requirement in requirements {
            let known = requirement.field == "metadata.name" || requirement.field == "metadata.namespace" || fields[requirement.field] != nil
            guard known else { throw .badRequest("field label not supported: \(requirement.field)") }
        }
        fieldRequirements = selector
        name = requirements.first { $0.field == "metadata.name" && $0.equal }?.value
        let only = requirements.first { $0.field == "metadata.namespace" && $0.equal }?.value
        self.namespace = namespace.isEmpty ? only ?? "" : namespace
    }

    var isEverything: Bool { labels == nil && fieldRequirements == nil }

    func matches(_ object: CachedObject) -> Bool {
        if !namespace.isEmpty, object.key.namespace != namespace { return false }
        if isEverything { return true }
        if let name, object.key.name != name { return false }
        let selectable = object.selectable(fields)
        if let labels, !labels.matches(selectable.labels) { return false }
        guard let fieldRequirements else { return true }
        return fieldRequirements.requirements.allSatisfy { ((selectable.fields[$0.field] ?? "") == $0.value) == $0.equal }
    }
}
