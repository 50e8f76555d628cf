import JSONTree

struct BindingStrategy: ResourceStrategy {
    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        let target = object["target"]
        let path = FieldPath("target")
        if let kind = target?["kind"], kind != "", kind != "Node" {
            errors.append(.unsupported(path.child("kind"), kind, supported: ["Node", "<empty>"]))
        }
        if (target?["name"]?.string ?? "").isEmpty { errors.append(.required(path.child("name"))) }
    }
}
