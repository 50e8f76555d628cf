public import JSONTree

/// Pods. The rules are in the files beside this one, a topic each.
public struct PodStrategy: ResourceStrategy {
    public var hasGeneration: Bool { true }

    public func applyDefaults(to object: inout JSON) { PodDefaults.apply(to: &object) }

    public func prepareForCreate(_ object: inout JSON) {
        object["status"] = ["phase": "Pending", "qosClass": .string(QualityOfService(pod: object).rawValue)]
    }

    public func validate(_ object: JSON, _ errors: inout [FieldError]) {
        guard let spec = object["spec"] else {
            errors.append(.required(FieldPath.spec.child("containers")))
            return
        }
        PodSpecValidation.validate(spec, at: .spec, &errors)
    }

    public func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        PodUpdateValidation.validate(object, from: old, &errors)
    }
}

/// How a pod stands when memory is short (`status.qosClass`).
public enum QualityOfService: String, Sendable {
    case guaranteed = "Guaranteed"
    case burstable = "Burstable"
    case bestEffort = "BestEffort"

    /// Guaranteed: every container has limits of CPU and memory, and requests as large. Best effort: none has any.
    public init(pod: JSON) {
        let spec = pod["spec"]
        if let resources = spec?["resources"], Self.hasAny(resources) {
            self = Self.isGuaranteed(resources) ? .guaranteed : .burstable
            return
        }
        let containers = (spec?["containers"]?.array ?? []) + (spec?["initContainers"]?.array ?? [])
        if !containers.contains(where: { Self.hasAny($0["resources"]) }) {
            self = .bestEffort
        } else {
            self = containers.allSatisfy { Self.isGuaranteed($0["resources"]) } ? .guaranteed : .burstable
        }
    }

    private static func quantity(_ resources: JSON?, _ list: String, _ name: String) -> Quantity? {
        resources?[list]?[name]?.string.flatMap { try? Quantity($0) }.flatMap { $0.isZero ? nil : $0 }
    }

    private static func hasAny(_ resources: JSON?) -> Bool {
        ["limits", "requests"].contains { list in ["cpu", "memory"].contains { quantity(resources, list, $0) != nil } }
    }

    private static func isGuaranteed(_ resources: JSON?) -> Bool {
        ["cpu", "memory"].allSatisfy { name in
            guard let limit = quantity(resources, "limits", name) else { return false }
            return quantity(resources, "requests", name) ?? limit == limit
        }
    }
}
