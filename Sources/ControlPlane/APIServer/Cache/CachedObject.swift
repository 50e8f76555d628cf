internal import JSONTree
internal import Storage
internal import Synchronization

/// An object as it is served: its bytes with the resource version in place. Immutable and shared between the cache, its window
/// of events and the watchers.
final class CachedObject: Sendable {
    let key: ObjectKey
    let revision: Revision
    let bytes: [UInt8]
    private let selectableFields: Mutex<Selectable?> = Mutex(nil)

    /// - Parameter stored: the bytes as they are in the storage.
    init(key: ObjectKey, stored: [UInt8], revision: Revision) {
        self.key = key
        self.revision = revision
        self.bytes = ObjectBytes.wire(stored, revision: revision)
    }

    private init(key: ObjectKey, bytes: [UInt8], revision: Revision) {
        self.key = key
        self.revision = revision
        self.bytes = bytes
    }

    /// The object as a tree. Bytes that were stored by this server parse; others, if the data was damaged, read as null.
    func json() -> JSON { (try? JSON(parsing: bytes)) ?? .null }

    /// The same content under another revision: what a watcher sees of an object that left its selector.
    func at(_ revision: Revision) -> CachedObject {
        var tree = json()
        tree["metadata"]?["resourceVersion"] = .string(String(revision))
        return CachedObject(key: key, bytes: tree.bytes(), revision: revision)
    }

    /// What selectors look at. Read from the bytes when first asked for: objects of most kinds are never selected.
    func selectable(_ fields: SelectableFields) -> Selectable {
        selectableFields.withLock { cached in
            if let cached { return cached }
            let made = Selectable(json(), namespace: key.namespace, name: key.name, fields: fields)
            cached = made
            return made
        }
    }
}

/// Where an object lives.
struct ObjectKey: Sendable, Hashable {
    let resource: GroupResource
    /// Empty for objects of the cluster.
    let namespace: String
    let name: String

    /// `/registry/<group>/<resource>/[<namespace>/]<name>`; the core group is `core`.
    var storageKey: String { Self.prefix(resource, namespace: namespace) + name }

    static let root = "/registry/"

    static func prefix(_ resource: GroupResource, namespace: String = "") -> String {
        let base = "\(root)\(resource.group.isEmpty ? "core" : resource.group)/\(resource.resource)/"
        return namespace.isEmpty ? base : "\(base)\(namespace)/"
    }

    init(resource: GroupResource, namespace: String, name: String) {
        self.resource = resource
        self.namespace = namespace
        self.name = name
    }

    /// Nil for a key that no version of this server has written.
    init?(storageKey: String) {
        let parts = storageKey.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 5, parts.count <= 6, parts[0].isEmpty, parts[1] == "registry" else { return nil }
        resource = GroupResource(group: parts[2] == "core" ? "" : String(parts[2]), resource: String(parts[3]))
        namespace = parts.count == 6 ? String(parts[4]) : ""
        name = String(parts[parts.count - 1])
    }
}

/// The fields beside name and namespace that a field selector of a resource may name, with the value that an absent one has.
typealias SelectableFields = [String: String]

/// The labels and fields of one object.
struct Selectable: Sendable {
    let labels: [String: String]
    let fields: [String: String]

    init(_ object: JSON, namespace: String, name: String, fields selectable: SelectableFields) {
        var labels: [String: String] = [:]
        for (key, value) in object[path: "metadata", "labels"]?.object ?? [:] { labels[key] = value.string }
        self.labels = labels
        var fields = ["metadata.name": name, "metadata.namespace": namespace]
        for (path, absent) in selectable {
            var value: JSON? = object
            for step in path.split(separator: ".") { value = value?[String(step)] }
            switch value {
            case .string(let text): fields[path] = text.isEmpty ? absent : text
            case .bool(let flag): fields[path] = flag ? "true" : "false"
            case .number(let number): fields[path] = number.int64.map(String.init) ?? absent
            // Events are selected by the component of their source.
            case .object(let members): fields[path] = members["component"]?.string ?? absent
            default: fields[path] = absent
            }
        }
        self.fields = fields
    }
}
