internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

/// Serves KubeAPI's OpenAPI documents: `/openapi/v2`, `/openapi/v3` and one document of v3 for each group version.
struct OpenAPIEndpoint: Sendable {
    private let documents: OpenAPIDocuments

    init(registry: APIRegistry, version: String) {
        documents = OpenAPIDocuments(registry: registry, version: version)
    }

    /// - Parameter path: what follows `/openapi`.
    func respond(_ path: [String], _ request: ServerRequest) throws(StatusError) -> ServerResponse? {
        let document: [UInt8]?
        switch (path.first, path.count) {
        case ("v2", 1): document = documents.v2()
        case ("v3", 1): document = documents.v3Index()
        case ("v3", 3) where path[1] == "api": document = documents.v3(group: "", version: path[2])
        case ("v3", 4) where path[1] == "apis": document = documents.v3(group: path[2], version: path[3])
        default: document = nil
        }
        guard let document else { return nil }
        // The older protobuf form is not made; a client that takes nothing else is told so.
        let ranges = MediaRange.parse(request.headers["accept"])
        guard ranges.isEmpty || ranges.contains(where: \.acceptsJSON) else { throw .notAcceptable(OutputForm.mediaTypes) }
        return .full(status: .ok, headers: ["content-type": "application/json", "vary": "Accept"], body: document)
    }
}
