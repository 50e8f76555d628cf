import JSONTree

struct LeaseStrategy: ResourceStrategy {
    var allowsCreateOnUpdate: Bool { true }
    var allowsUnconditionalUpdate: Bool { false }

    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        let spec = object["spec"]
        if spec?["holderIdentity"] == "" { errors.append(.invalid(.spec.child("holderIdentity"), "", "must not be empty")) }
        if spec?["preferredHolder"] == "" { errors.append(.invalid(.spec.child("preferredHolder"), "", "must not be empty")) }
        if let preferred = spec?["preferredHolder"]?.string, !preferred.isEmpty, (spec?["strategy"]?.string ?? "").isEmpty {
            errors.append(.forbidden(.spec.child("preferredHolder"), "may only be specified when `strategy` is defined"))
        }
    }
}
