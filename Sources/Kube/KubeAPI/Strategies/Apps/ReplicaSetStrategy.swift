import JSONTree

struct ReplicaSetStrategy: ResourceStrategy {
    var hasGeneration: Bool { true }

    func applyDefaults(to object: inout JSON) { PodTemplate.applyDefaults(to: &object) }

    func prepareForCreate(_ object: inout JSON) { object["status"] = ["replicas": 0] }

    func validate(_ object: JSON, _ errors: inout [FieldError]) { PodTemplate.validate(object["spec"] ?? [:], at: .spec, &errors) }

    func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        PodTemplate.validateSelectorUpdate(object, from: old, &errors)
    }

    func validateStatusUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        ReplicaCounts.validate(object["status"], ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"], &errors)
    }
}

/// Revisions of a workload's template: made once, never changed.
struct ControllerRevisionStrategy: ResourceStrategy {
    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        if object["data"] == nil { errors.append(.required(FieldPath("data"), "data is mandatory")) }
        if let revision = object["revision"]?.int, revision < 0 {
            errors.append(.invalid(FieldPath("revision"), JSON(revision), "must be greater than or equal to 0"))
        }
    }

    func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        if object["data"] != old["data"] { errors.append(.invalid(FieldPath("data"), object["data"] ?? .null, "field is immutable")) }
    }
}
