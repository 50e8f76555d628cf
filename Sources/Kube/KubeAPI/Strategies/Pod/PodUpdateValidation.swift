import JSONTree

/// What may change in a pod that is there already.
enum PodUpdateValidation {
    private static let words =
        "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
        + "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
        + "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"

    static func validate(_ pod: JSON, from old: JSON, _ errors: inout [FieldError]) {
        let (new, stored) = (pod["spec"] ?? [:], old["spec"] ?? [:])
        for list in ["containers", "initContainers"] where new[list]?.array?.count ?? 0 != stored[list]?.array?.count ?? 0 {
            errors.append(.forbidden(FieldPath.spec.child(list), "pod updates may not add or remove containers"))
            return
        }
        validateDeadline(new, stored, &errors)
        validateTolerations(new, stored, &errors)
        validateGates(new, stored, &errors)
        // With all that may change taken back, nothing may be left that has changed.
        var rest = new
        for list in ["containers", "initContainers"] {
            let images = (stored[list]?.array ?? []).map { $0["image"] }
            rest[list]?.withArray { containers in
                for index in containers.indices { containers[index]["image"] = images[index] }
            }
        }
        for key in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] { rest[key] = stored[key] }
        if (stored["terminationGracePeriodSeconds"]?.int ?? 0) < 0, new["terminationGracePeriodSeconds"] == 1 {
            rest["terminationGracePeriodSeconds"] = stored["terminationGracePeriodSeconds"]
        }
        let changes = differences(rest, stored, at: .spec)
        if !changes.isEmpty {
            errors.append(.forbidden(.spec, words + "\nchanged: " + changes.map(\.description).joined(separator: ", ")))
        }
    }

    private static func validateDeadline(_ new: JSON, _ stored: JSON, _ errors: inout [FieldError]) {
        let path = FieldPath.spec.child("activeDeadlineSeconds")
        guard let before = stored["activeDeadlineSeconds"]?.int else { return }
        guard let after = new["activeDeadlineSeconds"]?.int else {
            errors.append(.invalid(path, .null, "must not update from a positive integer to nil value"))
            return
        }
        if after > before { errors.append(.invalid(path, JSON(after), "must be less than or equal to previous value")) }
    }

    private static func validateTolerations(_ new: JSON, _ stored: JSON, _ errors: inout [FieldError]) {
        let after = new["tolerations"]?.array ?? []
        for toleration in stored["tolerations"]?.array ?? [] where !after.contains(toleration) {
            // The time that a pod tolerates a taint may change.
            var timeless = toleration
            timeless["tolerationSeconds"] = nil
            let kept = after.contains { candidate in
                var candidate = candidate
                candidate["tolerationSeconds"] = nil
                return candidate == timeless
            }
            if !kept {
                errors.append(.forbidden(FieldPath.spec.child("tolerations"), "existing toleration can not be modified except its tolerationSeconds"))
                return
            }
        }
    }

    private static func validateGates(_ new: JSON, _ stored: JSON, _ errors: inout [FieldError]) {
        let before = stored["schedulingGates"]?.array ?? []
        for gate in new["schedulingGates"]?.array ?? [] where !before.contains(gate) {
            errors.append(.forbidden(FieldPath.spec.child("schedulingGates"), "only deletion is allowed, but found new scheduling gate \(gate["name"] ?? "")"))
        }
    }

    /// The paths at which two values differ; the deepest that say it.
    static func differences(_ left: JSON, _ right: JSON, at path: FieldPath) -> [FieldPath] {
        switch (left, right) {
        case (.object(let a), .object(let b)):
            var paths: [FieldPath] = []
            for (key, value) in a {
                if let other = b[key] { paths += differences(value, other, at: path.child(key)) } else { paths.append(path.child(key)) }
            }
            return paths + b.keys.filter { a[$0] == nil }.map { path.child($0) }
        case (.array(let a), .array(let b)) where a.count == b.count:
            return zip(a, b).enumerated().flatMap { differences($0.element.0, $0.element.1, at: path.index($0.offset)) }
        default: return left == right ? [] : [path]
        }
    }
}
