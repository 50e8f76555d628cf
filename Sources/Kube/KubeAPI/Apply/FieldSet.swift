public import JSONTree

/// A set of fields of an object: what one manager owns.
///
/// A tree of path elements. An element may be a member itself, be on the way to members, or both. The rules of this folder are
/// those of server-side apply (KEP-555); the form on the wire is `FieldsV1`.
public struct FieldSet: Sendable, Hashable {
    /// One step of a path.
    public enum Element: Sendable, Hashable {
        /// A member of an object.
        case field(String)
        /// The element of a list of objects that has these values in its key members.
        case key(JSON)
        /// The element of a set with this value.
        case value(JSON)
        /// The element at a position.
        case index(Int)
    }

    struct Node: Sendable, Hashable {
        var isMember = false
        var children = FieldSet()

        var isEmpty: Bool { !isMember && children.isEmpty }
    }

    private(set) var nodes: [Element: Node] = [:]

    public init() {}

    public var isEmpty: Bool { nodes.isEmpty }

    subscript(_ element: Element) -> Node? { nodes[element] }

    /// Whether the element itself is a member.
    func has(_ element: Element) -> Bool { nodes[element]?.isMember ?? false }

    /// What is below an element.
    func below(_ element: Element) -> FieldSet { nodes[element]?.children ?? FieldSet() }

    /// Puts an element into the set; one that is neither a member nor leads to any is left out.
    mutating func set(_ element: Element, isMember: Bool, children: FieldSet = FieldSet()) {
        let node = Node(isMember: isMember, children: children)
        nodes[element] = node.isEmpty ? nil : node
    }

    // MARK: algebra

    func union(_ other: FieldSet) -> FieldSet {
        var result = self
        for (element, node) in other.nodes {
            guard let own = nodes[element] else {
                result.nodes[element] = node
                continue
            }
            result.set(element, isMember: own.isMember || node.isMember, children: own.children.union(node.children))
        }
        return result
    }

    func subtracting(_ other: FieldSet) -> FieldSet {
        var result = self
        for (element, node) in other.nodes {
            guard let own = nodes[element] else { continue }
            result.set(element, isMember: own.isMember && !node.isMember, children: own.children.subtracting(node.children))
        }
        return result
    }

    func intersection(_ other: FieldSet) -> FieldSet {
        var result = FieldSet()
        for (element, node) in nodes {
            guard let match = other.nodes[element] else { continue }
            result.set(element, isMember: node.isMember && match.isMember, children: node.children.intersection(match.children))
        }
        return result
    }

    /// The set with the members of structs on the way to other members. A struct that lost all of its members is gone itself,
    /// while an entry of a map or a list is there whatever it holds.
    func withNamedFields(_ schema: Schema?) -> FieldSet {
        var result = FieldSet()
        for (element, node) in nodes {
            let child = schema?.below(element)
            var isMember = node.isMember
            if case .field(let name) = element, !node.children.isEmpty, schema?.property(name) != nil { isMember = true }
            result.set(element, isMember: isMember, children: node.children.withNamedFields(child))
        }
        return result
    }

    // MARK: paths

    /// The paths of all members, in order, as conflicts name them: `.spec.containers[name="a"].image`.
    public var paths: [String] {
        var result: [String] = []
        collect("", &result)
        return result
    }

    private func collect(_ prefix: String, _ result: inout [String]) {
        let named = nodes.map { (Self.text(of: $0.key), $0.value) }.sorted { $0.0 < $1.0 }
        for (text, node) in named {
            if node.isMember { result.append(prefix + text) }
            node.children.collect(prefix + text, &result)
        }
    }

    private static func text(of element: Element) -> String {
        switch element {
        case .field(let name): ".\(name)"
        case .key(let key): "[\((key.object ?? [:]).sortedByKey().map { "\($0.key)=\($0.value)" }.joined(separator: ","))]"
        case .value(let value): "[=\(value)]"
        case .index(let index): "[\(index)]"
        }
    }
}

// MARK: - FieldsV1

extension FieldSet {
    /// Reads `FieldsV1`; nil if it is none.
    public init?(fieldsV1 json: JSON) {
        guard let object = json.object else { return nil }
        for (key, value) in object where key != "." {
            guard let element = Self.element(key), let content = value.object, let children = FieldSet(fieldsV1: value) else { return nil }
            set(element, isMember: content.isEmpty || content.contains("."), children: children)
        }
    }

    private static func element(_ key: String) -> Element? {
        let text = String(key.dropFirst(2))
        switch key.prefix(2) {
        case "f:": return .field(text)
        case "k:": return (try? JSON(parsing: Array(text.utf8))).flatMap { $0.object == nil ? nil : .key($0) }
        case "v:": return (try? JSON(parsing: Array(text.utf8))).map { .value($0) }
        case "i:": return Int(text).map { .index($0) }
        default: return nil
        }
    }

    /// The set as `FieldsV1`, in the order of its keys.
    public var fieldsV1: JSON { json(isMember: false) }

    private func json(isMember: Bool) -> JSON {
        var object = JSONObject()
        if isMember, !nodes.isEmpty { object.append(key: ".", value: [:]) }
        let named = nodes.map { (Self.key(of: $0.key), $0.value) }.sorted { $0.0 < $1.0 }
        for (key, node) in named { object.append(key: key, value: node.children.json(isMember: node.isMember)) }
        return .object(object)
    }

    private static func key(of element: Element) -> String {
        switch element {
        case .field(let name): "f:\(name)"
        case .key(let key): "k:\(JSON.object((key.object ?? [:]).sortedByKey()))"
        case .value(let value): "v:\(value)"
        case .index(let index): "i:\(index)"
        }
    }
}
