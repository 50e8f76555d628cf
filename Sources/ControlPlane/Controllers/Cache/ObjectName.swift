import KubeTypes

/// Where an object is found.
struct ObjectName: Hashable, Sendable, CustomStringConvertible {
    var namespace: String
    var name: String

    init(_ namespace: String, _ name: String) { (self.namespace, self.name) = (namespace, name) }
    init(_ object: some KubeObject) { self.init(object.namespace, object.name) }

    var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }
}
