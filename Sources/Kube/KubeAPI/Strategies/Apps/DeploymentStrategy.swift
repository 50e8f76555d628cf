import JSONTree

struct DeploymentStrategy: ResourceStrategy {
    var hasGeneration: Bool { true }

    /// Annotations too: `kubectl rollout` keeps the cause of a change in one.
    func changesGeneration(_ object: JSON, from old: JSON) -> Bool {
        object["spec"] != old["spec"] || (object[path: "metadata", "annotations"] ?? [:]) != (old[path: "metadata", "annotations"] ?? [:])
    }

    func applyDefaults(to object: inout JSON) {
        guard object["spec"]?.object != nil else { return }
        if object[path: "spec", "strategy", "type"] == "RollingUpdate" {
            if object[path: "spec", "strategy", "rollingUpdate"]?.object == nil { object["spec"]?["strategy"]?["rollingUpdate"] = [:] }
            for key in ["maxUnavailable", "maxSurge"] where object["spec"]?["strategy"]?["rollingUpdate"]?[key] == nil {
                object["spec"]?["strategy"]?["rollingUpdate"]?[key] = "25%"
            }
        }
        PodTemplate.applyDefaults(to: &object)
    }

    func prepareForCreate(_ object: inout JSON) { object["status"] = [:] }

    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        let spec = object["spec"] ?? [:]
        PodTemplate.validate(spec, at: .spec, &errors)
        validateStrategy(spec["strategy"] ?? [:], at: FieldPath.spec.child("strategy"), &errors)
        if let deadline = spec["progressDeadlineSeconds"]?.int, deadline <= spec["minReadySeconds"]?.int ?? 0, deadline >= 0 {
            errors.append(.invalid(FieldPath.spec.child("progressDeadlineSeconds"), JSON(deadline), "must be greater than minReadySeconds"))
        }
    }

    private func validateStrategy(_ strategy: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        let path = path.child("rollingUpdate")
        guard strategy["type"] != "Recreate" else {
            if strategy["rollingUpdate"] != nil {
                errors.append(.forbidden(path, "may not be specified when strategy `type` is 'Recreate'"))
            }
            return
        }
        guard let rolling = strategy["rollingUpdate"] else { return }
        for key in ["maxUnavailable", "maxSurge"] {
            if let value = rolling[key] { Self.validateAmount(value, at: path.child(key), &errors) }
        }
        if Self.number(rolling["maxUnavailable"]) == 0, Self.number(rolling["maxSurge"]) == 0 {
            errors.append(.invalid(path.child("maxUnavailable"), rolling["maxUnavailable"] ?? 0, "may not be 0 when `maxSurge` is 0"))
        }
        if let text = rolling["maxUnavailable"]?.string, text.hasSuffix("%"), Self.number(rolling["maxUnavailable"]) ?? 0 > 100 {
            errors.append(.invalid(path.child("maxUnavailable"), JSON(text), "must not be greater than 100%"))
        }
    }

    /// A number of pods, or a percentage.
    private static func validateAmount(_ value: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        if let number = value.int {
            if number < 0 { errors.append(.invalid(path, value, "must be greater than or equal to 0")) }
        } else if number(value) == nil {
            errors.append(.invalid(
                path, value,
                "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', "
                    + "regex used for validation is '[0-9]+%')"))
        }
    }

    private static func number(_ value: JSON?) -> Int64? {
        if let number = value?.int { return number }
        guard let text = value?.string, text.hasSuffix("%"), text.dropLast().utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text.dropLast())
    }

    func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        PodTemplate.validateSelectorUpdate(object, from: old, &errors)
    }

    func validateStatusUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        ReplicaCounts.validate(object["status"], ["updatedReplicas", "readyReplicas", "availableReplicas"], &errors)
        if object["status"]?["collisionCount"]?.int ?? 0 < old["status"]?["collisionCount"]?.int ?? 0 {
            errors.append(.invalid(FieldPath.status.child("collisionCount"), object["status"]?["collisionCount"] ?? 0, "cannot be decremented"))
        }
    }
}

/// The counts of a workload's status: none may exceed what it is a part of.
enum ReplicaCounts {
    static func validate(_ status: JSON?, _ parts: [String], _ errors: inout [FieldError]) {
        let replicas = status?["replicas"]?.int ?? 0
        for part in parts {
            guard let count = status?[part]?.int, count > replicas else { continue }
            errors.append(.invalid(FieldPath.status.child(part), JSON(count), "cannot be greater than status.replicas"))
        }
        if let available = status?["availableReplicas"]?.int, available > status?["readyReplicas"]?.int ?? 0 {
            errors.append(.invalid(FieldPath.status.child("availableReplicas"), JSON(available), "cannot be greater than readyReplicas"))
        }
    }
}
