public import JSONTree

extension Schema {
    /// Fills in the defaults of absent members, then those of the members themselves. A text that is empty counts as
    /// absent where the default is another text, as it does for Kubernetes' own types.
    public func applyDefaults(to value: inout JSON) {
        guard containsDefaults else { return }
        switch type {
        case .object:
            value.withObject { object in
                if let values = additionalProperties {
                    object.mutateValues { _, member in values.applyDefaults(to: &member) }
                    return
                }
                for property in properties {
                    guard let defaultValue = property.schema.defaultValue else { continue }
                    let present = object[property.name]
                    if present == nil || (present == "" && defaultValue != "") { object[property.name] = defaultValue }
                }
                object.mutateValues { name, member in property(name)?.applyDefaults(to: &member) }
            }
        case .array:
            guard let items else { return }
            value.withArray { elements in
                for index in elements.indices { items.applyDefaults(to: &elements[index]) }
            }
        default: break
        }
    }
}
