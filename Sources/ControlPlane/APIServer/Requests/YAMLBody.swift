internal import JSONTree
internal import KubeAPI
internal import Yams

/// Reads bodies that are YAML, as the media type of server-side apply promises. One document; aliases are refused, since a few
/// of them can stand for more than any memory holds.
enum YAMLBody {
    static func json(_ bytes: [UInt8]) throws(StatusError) -> JSON {
        let node: Node?
        do {
            node = try Yams.compose(yaml: String(decoding: bytes, as: UTF8.self))
        } catch {
            throw .badRequest("error decoding YAML: \(error)")
        }
        guard let node else { return .null }
        return try json(node, depth: 0)
    }

    private static let maximumDepth = 128

    private static func json(_ node: Node, depth: Int) throws(StatusError) -> JSON {
        guard depth < maximumDepth else { throw .badRequest("error decoding YAML: expected at most \(maximumDepth) nested values") }
        switch node {
        case .mapping(let mapping):
            var object = JSONObject()
            for (key, value) in mapping {
                guard case .scalar(let scalar) = key else { throw .badRequest("error decoding YAML: expected keys to be texts") }
                object[scalar.string] = try json(value, depth: depth + 1)
            }
            return .object(object)
        case .sequence(let sequence):
            var elements: [JSON] = []
            for element in sequence { elements.append(try json(element, depth: depth + 1)) }
            return .array(elements)
        case .scalar(let scalar):
            guard scalar.style != .singleQuoted, scalar.style != .doubleQuoted, scalar.style != .literal, scalar.style != .folded else {
                return .string(scalar.string)
            }
            if let value = node.bool { return .bool(value) }
            if let value = node.int { return JSON(value) }
            if let value = node.float, value.isFinite { return JSON(value) }
            return node.null != nil ? .null : .string(scalar.string)
        case .alias: throw .badRequest("error decoding YAML: expected no aliases")
        }
    }
}
