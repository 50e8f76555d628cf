import JSONTree

/// Events of either group: the namespace of the event is that of the object that it tells about.
struct EventStrategy: ResourceStrategy {
    var allowsCreateOnUpdate: Bool { true }

    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        let key = object["involvedObject"] != nil ? "involvedObject" : "regarding"
        let about = object[key]?["namespace"]?.string ?? ""
        let namespace = object[path: "metadata", "namespace"]?.string ?? ""
        // Events about objects of the cluster are kept in the namespace default.
        let expected = about.isEmpty ? ["default", "kube-system", ""] : [about]
        if !expected.contains(namespace) {
            errors.append(.invalid(FieldPath("\(key).namespace"), JSON(about), "does not match event.namespace"))
        }
    }
}
