import JSONTree
import Synchronization

/// The OpenAPI documents of a registry, built when they are first asked for and kept as bytes.
///
/// What kubectl 1.32 needs: `/openapi/v3` and the document of a group version, both as JSON. From the parameters of
/// PATCH there it learns that the server validates fields (`fieldValidation`), from the media types of PATCH that
/// strategic merge patches are understood, and from the schemas how to make one and what to explain. It asks for
/// `/openapi/v2` only where v3 fails, and then as protobuf (`application/com.github.proto-openapi.spec.v2@v1.0+protobuf`),
/// which is not offered: answer such a request with 406. Other clients read `/openapi/v2` as JSON.
public final class OpenAPIDocuments: Sendable {
    public struct Document: Sendable {
        public let bytes: [UInt8]
        /// Changes with the content only.
        public let hash: String
    }

    private let registry: APIRegistry
    private let version: String
    /// The documents of a registry that this one adds to: those that are alike are made once.
    private let base: OpenAPIDocuments?
    private let cache = Mutex<[String: Document]>([:])

    /// - Parameters:
    ///   - version: the version of Kubernetes that the documents name.
    ///   - base: documents of a registry with the same built-in resources.
    public init(registry: APIRegistry = .builtIn, version: String = "v1.36.0", base: OpenAPIDocuments? = nil) {
        self.registry = registry
        self.version = version
        self.base = base
    }

    /// A document by its path behind `/openapi/`: `v2`, `v3`, `v3/api/VERSION`, `v3/apis/GROUP/VERSION`; nil if there is none.
    public func document(_ path: String) -> Document? {
        if let document = cache.withLock({ $0[path] }) { return document }
        guard let document = make(path) else { return nil }
        // Two tasks may build one document at the same time; the results are alike.
        cache.withLock { $0[path] = document }
        return document
    }

    private func make(_ path: String) -> Document? {
        switch path {
        case "v2": return Self.document(v2JSON)
        case "v3": return Self.document(indexJSON)
        default:
            let parts = path.split(separator: "/").map(String.init)
            let (group, version) = parts.count == 3 ? ("", parts[2]) : parts.count == 4 ? (parts[2], parts[3]) : ("", "")
            let definitions = registry.definitions(group: group, version: version)
            if definitions.isEmpty { return nil }
            if let base, !definitions.contains(where: \.isCustom) { return base.document(path) }
            return Self.document(json(of: definitions))
        }
    }

    private static func document(_ json: JSON) -> Document {
        let bytes = json.bytes()
        return Document(bytes: bytes, hash: hash(bytes))
    }

    /// The document at `/openapi/v2`.
    public func v2() -> [UInt8] { document("v2")?.bytes ?? [] }

    /// The index at `/openapi/v3`. Its addresses carry a hash, so that clients may keep a document for ever.
    public func v3Index() -> [UInt8] { document("v3")?.bytes ?? [] }

    /// The document at `/openapi/v3/api/VERSION` or `/openapi/v3/apis/GROUP/VERSION`; nil if there is no such group
    /// version.
    public func v3(group: String, version: String) -> [UInt8]? {
        document(group.isEmpty ? "v3/api/\(version)" : "v3/apis/\(group)/\(version)")?.bytes
    }

    // MARK: contents

    private var v2JSON: JSON {
        [
            "swagger": "2.0", "info": ["title": "Kubernetes", "version": .string(version)],
            "paths": .object(OpenAPIPaths(form: .v2).paths(of: registry.definitions)),
            "definitions": .object(OpenAPISchemas(catalog: registry.catalog, form: .v2).definitions(of: registry.definitions)),
        ]
    }

    private var indexJSON: JSON {
        var paths = JSONObject()
        for groupVersion in registry.groupVersions {
            let path = groupVersion.group.isEmpty ? "api/\(groupVersion.version)" : "apis/\(groupVersion.apiVersion)"
            let hash = document("v3/\(path)")?.hash ?? ""
            paths[path] = ["serverRelativeURL": .string("/openapi/v3/\(path)?hash=\(hash)")]
        }
        return ["paths": .object(paths)]
    }

    private func json(of definitions: [ResourceDefinition]) -> JSON {
        [
            "openapi": "3.0.0", "info": ["title": "Kubernetes", "version": .string(version)],
            "paths": .object(OpenAPIPaths(form: .v3).paths(of: definitions)),
            "components": ["schemas": .object(OpenAPISchemas(catalog: registry.catalog, form: .v3).definitions(of: definitions))],
        ]
    }

    /// FNV-1a: tells versions of a document apart, nothing more.
    private static func hash(_ bytes: [UInt8]) -> String {
        let hash = bytes.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        return String(hash, radix: 16, uppercase: true)
    }
}

/// The two forms of OpenAPI that Kubernetes serves.
enum OpenAPIForm {
    case v2, v3

    /// A reference to a named schema.
    func reference(_ name: String) -> JSON {
        ["$ref": .string((self == .v2 ? "#/definitions/" : "#/components/schemas/") + name)]
    }
}
