public import JSONTree
public import KubeAPI

/// A generated type of the API: a value that reads and writes itself as a JSON object.
///
/// Values are for reading. A struct drops the members that it does not know, so objects are changed on the server by
/// patches of JSON, never by writing a whole struct back.
public protocol KubeValue: Sendable, Equatable {
    /// A value with nothing set: required texts are empty, required numbers 0.
    init()
    /// Reads a JSON object. Absent and null members are alike; unknown ones are dropped; a member of the wrong type is
    /// an error that names its path.
    init(json: JSON) throws(JSONError)
    /// Sets the members of this value in a JSON object.
    func write(into members: inout JSONObject)
}

extension KubeValue {
    /// This value as a JSON object.
    public var json: JSON {
        var object = JSONObject()
        write(into: &object)
        return .object(object)
    }

    /// Equal if they are written alike. Good for a comparison now and then: it writes both.
    public static func == (left: Self, right: Self) -> Bool { left.json == right.json }

    /// A value that the closure fills in: `PodSpec(with: { $0.nodeName = "a" })`.
    public init(with configure: (inout Self) throws -> Void) rethrows {
        self.init()
        try configure(&self)
    }
}

/// A kind that the server stores.
public protocol KubeObject: KubeValue {
    static var resource: ResourceReference { get }
    var metadata: ObjectMeta { get set }
}

extension KubeObject {
    /// The name, empty if it has none yet.
    public var name: String { metadata.name ?? "" }
    /// The namespace, empty for objects of the cluster.
    public var namespace: String { metadata.namespace ?? "" }
    /// The identity that no later object of the same name shares.
    public var uid: String { metadata.uid ?? "" }
}

/// A page of objects as the server lists them.
public struct ObjectList<Item: KubeObject>: KubeValue {
    public var metadata = ListMeta()
    public var items: [Item] = []

    public init() {}

    public init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json)
        metadata = try fields.value("metadata") ?? ListMeta()
        items = try fields.values("items")
    }

    public func write(into object: inout JSONObject) {
        object["apiVersion"] = .string(Item.resource.apiVersion)
        object["kind"] = .string(Item.resource.kind + "List")
        object["metadata"] = metadata.json
        object["items"] = .array(items.map(\.json))
    }
}

/// A nested value on the heap: keeps the struct that holds it small, and copies of it cheap.
final class Box<Value: Sendable>: Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}
