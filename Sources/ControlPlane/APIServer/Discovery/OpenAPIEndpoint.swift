internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

/// Serves KubeAPI's OpenAPI documents: `/openapi/v2`, `/openapi/v3` and one document of v3 for each group version.
struct OpenAPIEndpoint: Sendable {
    private let documents: OpenAPIDocuments

    /// - Parameter base: the endpoint of a registry that this one adds to.
    init(registry: APIRegistry, version: String, base: OpenAPIEndpoint? = nil) {
        documents = OpenAPIDocuments(registry: registry, version: version, base: base?.documents)
    }

    /// A document that clients may keep: by its address for ever, if that says which content it has, else as long as its tag
    /// stays the same.
    private static func answer(_ document: OpenAPIDocuments.Document, _ request: ServerRequest) -> ServerResponse {
        var headers: HTTPHeaders = ["content-type": "application/json", "vary": "Accept", "etag": "\"\(document.hash)\""]
        if let hash = request.query["hash"], !hash.isEmpty {
            guard hash == document.hash else {
                headers.add(name: "location", value: "\(request.path)?hash=\(document.hash)")
                return .full(status: .movedPermanently, headers: headers)
            }
            headers.add(name: "cache-control", value: "public, immutable")
        } else {
            headers.add(name: "cache-control", value: "no-cache, private")
        }
        if request.headers["if-none-match"].contains(where: { $0.contains("\"\(document.hash)\"") }) {
            return .full(status: .notModified, headers: headers)
        }
        return .full(status: .ok, headers: headers, body: document.bytes)
    }

    /// - Parameter path: what follows `/openapi`.
    func respond(_ path: [String], _ request: ServerRequest) throws(StatusError) -> ServerResponse? {
        let document: OpenAPIDocuments.Document?
        switch (path.first, path.count) {
        case ("v2", 1): document = documents.document("v2")
        case ("v3", 1): document = documents.document("v3")
        case ("v3", 3) where path[1] == "api": document = documents.document("v3/api/\(path[2])")
        case ("v3", 4) where path[1] == "apis": document = documents.document("v3/apis/\(path[2])/\(path[3])")
        default: document = nil
        }
        guard let document else { return nil }
        // The older protobuf form is not made; a client that takes nothing else is told so.
        let ranges = MediaRange.parse(request.headers["accept"])
        guard ranges.isEmpty || ranges.contains(where: \.acceptsJSON) else { throw .notAcceptable(OutputForm.mediaTypes) }
        return Self.answer(document, request)
    }
}
