import Foundation
import JSONTree
import KubeAPI
import Yams

/// Reads the schema files and makes the texts of all generated files.
struct Generator {
    static let folders = ["KubeAPI/Generated", "KubeTypes/Generated"]

    let schemaFolder: URL

    /// The generated files by path within `Sources/Kube`.
    func files() throws -> [String: String] {
        let documents = try readDocuments()
        let catalog = SchemaCatalog(documents: documents)
        _ = try APIRegistry(catalog: catalog)  // fails on a resource that names no type
        let names = TypeNames(catalog: catalog)
        var files = ["KubeAPI/Generated/EmbeddedSchemas+Texts.swift": EmbeddedTextsWriter(documents: documents).text()]
        for document in documents.keys.sorted() {
            let file = document.split(separator: "/").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined(separator: "_")
            files["KubeTypes/Generated/\(file).swift"] = try SwiftTypesWriter(document: document, catalog: catalog, names: names).text()
        }
        return files
    }

    private func readDocuments() throws -> [String: JSON] {
        var documents: [String: JSON] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: schemaFolder.path).sorted() where name.hasSuffix(".yaml") {
            let text = try String(contentsOf: schemaFolder.appendingPathComponent(name), encoding: .utf8)
            guard let node = try Yams.compose(yaml: text) else { throw ValidationFailure("\(name) is empty") }
            let parts = name.dropLast(".yaml".count).split(separator: ".")
            documents[parts.joined(separator: "/")] = try YAMLReader.json(node)
        }
        return documents
    }
}

struct ValidationFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// YAML nodes as JSON, members in their order.
enum YAMLReader {
    static func json(_ node: Node) throws -> JSON {
        switch node {
        case .mapping(let mapping):
            var object = JSONObject()
            for (key, value) in mapping {
                guard let name = key.string else { throw ValidationFailure("a key is no string: \(key)") }
                guard object[name] == nil else { throw ValidationFailure("the key \(name) comes twice") }
                object[name] = try json(value)
            }
            return .object(object)
        case .sequence(let sequence): return .array(try sequence.map { try json($0) })
        case .scalar(let scalar):
            if scalar.style == .singleQuoted || scalar.style == .doubleQuoted { return .string(scalar.string) }
            if let value = node.bool { return .bool(value) }
            if let value = node.int { return JSON(value) }
            if node.null != nil { return .null }
            return .string(scalar.string)
        default: throw ValidationFailure("aliases are not used here")
        }
    }
}
