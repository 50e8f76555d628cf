import JSONTree
import Synchronization

/// The OpenAPI documents of a registry, built when they are first asked for and kept as bytes.
///
/// What kubectl 1.32 needs: `/openapi/v3` and the document of a group version, both as JSON. From the parameters of
/// PATCH there it learns that the server validates fields (`fieldValidation`), from the media types of PATCH that
/// strategic merge patches are understood, and from the schemas how to make one. It asks for `/openapi/v2` only where
/// v3 fails, and then as protobuf (`application/com.github.proto-openapi.spec.v2@v1.0+protobuf`), which is not offered:
/// answer such a request with 406. Other clients read `/openapi/v2` as JSON.
public final class OpenAPIDocuments: Sendable {
    private let registry: APIRegistry
    private let version: String
    private let cache = Mutex<[String: [UInt8]]>([:])

    /// - Parameter version: the version of Kubernetes that the documents name.
    public init(registry: APIRegistry = .builtIn, version: String = "v1.36.0") {
        self.registry = registry
        self.version = version
    }

    /// The document at `/openapi/v2`.
    public func v2() -> [UInt8] {
        cached("v2") {
            [
                "swagger": "2.0", "info": ["title": "Kubernetes", "version": .string(version)],
                "paths": .object(OpenAPIPaths(form: .v2).paths(of: registry.definitions)),
                "definitions": .object(OpenAPISchemas(catalog: registry.catalog, form: .v2).definitions(of: registry.definitions)),
            ]
        }
    }

    /// The index at `/openapi/v3`. Its addresses carry a hash, so that clients may keep a document for ever.
    public func v3Index() -> [UInt8] {
        cached("v3") {
            var paths = JSONObject()
            for groupVersion in registry.groupVersions {
                let path = groupVersion.group.isEmpty ? "api/\(groupVersion.version)" : "apis/\(groupVersion.apiVersion)"
                let hash = Self.hash(v3(group: groupVersion.group, version: groupVersion.version) ?? [])
                paths[path] = ["serverRelativeURL": .string("/openapi/v3/\(path)?hash=\(hash)")]
            }
            return ["paths": .object(paths)]
        }
    }

    /// The document at `/openapi/v3/api/VERSION` or `/openapi/v3/apis/GROUP/VERSION`; nil if there is no such group
    /// version.
    public func v3(group: String, version: String) -> [UInt8]? {
        let definitions = registry.definitions(group: group, version: version)
        if definitions.isEmpty { return nil }
        return cached("v3/\(group)/\(version)") {
            [
                "openapi": "3.0.0", "info": ["title": "Kubernetes", "version": .string(self.version)],
                "paths": .object(OpenAPIPaths(form: .v3).paths(of: definitions)),
                "components": ["schemas": .object(OpenAPISchemas(catalog: registry.catalog, form: .v3).definitions(of: definitions))],
            ]
        }
    }

    /// Two tasks may build one document at the same time; the results are alike.
    private func cached(_ key: String, _ make: () -> JSON) -> [UInt8] {
        if let bytes = cache.withLock({ $0[key] }) { return bytes }
        let bytes = make().bytes()
        cache.withLock { $0[key] = bytes }
        return bytes
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
