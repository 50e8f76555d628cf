public import JSONTree
import Synchronization

/// The named types of some API groups. A type is built when it is first asked for, so that starting costs little.
public final class SchemaCatalog: Sendable {
    /// The schema files by name (`core/v1`), as JSON.
    public let documents: [String: JSON]
    private let built = Mutex<[String: Schema]>([:])

    public init(documents: [String: JSON]) { self.documents = documents }

    /// The types that ship with Swiftlet.
    public static let builtIn = SchemaCatalog(documents: EmbeddedSchemas.documents)

    /// The names of a group's types, in the order of its file.
    public func typeNames(in document: String) -> [String] {
        documents[document]?["schemas"]?.object?.keys.map { "\(document).\($0)" } ?? []
    }

    /// A type by its name, like `core/v1.Pod`.
    public func schema(_ name: String) throws(APIValueError) -> Schema {
        if let schema = built.withLock({ $0[name] }) { return schema }
        return try build(name, within: [])
    }

    /// Two tasks may build one type at the same time; the results are alike and the first is kept.
    private func build(_ name: String, within parents: [String]) throws(APIValueError) -> Schema {
        if let schema = built.withLock({ $0[name] }) { return schema }
        guard !parents.contains(name) else {
            throw APIValueError(.schema, "expected types without cycles, found \((parents + [name]).joined(separator: " -> "))")
        }
        let (document, type) = Self.split(name)
        guard let json = documents[document]?["schemas"]?[type] else {
            throw APIValueError(.schema, "expected a type named \(name), found none")
        }
        let parser = SchemaParser { (reference) throws(APIValueError) in
            try self.build(reference.contains(".") ? reference : "\(document).\(reference)", within: parents + [name])
        }
        let schema = try parser.parse(json, typeName: name)
        return built.withLock { known in
            if let first = known[name] { return first }
            known[name] = schema
            return schema
        }
    }

    /// Splits `core/v1.Pod` into `core/v1` and `Pod`.
    static func split(_ name: String) -> (document: String, type: String) {
        guard let dot = name.lastIndex(of: ".") else { return ("", name) }
        return (String(name[..<dot]), String(name[name.index(after: dot)...]))
    }
}
