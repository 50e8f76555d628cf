internal import JSONTree
internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

/// The version that the server says it has. Clients look at major and minor.
public struct ServerVersion: Sendable {
    public var major: String
    public var minor: String
    public var gitVersion: String
    public var gitCommit: String
    public var buildDate: String
    public var platform: String

    public init(
        major: String = "1", minor: String = "36", gitVersion: String = "v1.36.0+swiftlet", gitCommit: String = "",
        buildDate: String = "1970-01-01T00:00:00Z", platform: String = ServerVersion.platform
    ) {
        self.major = major
        self.minor = minor
        self.gitVersion = gitVersion
        self.gitCommit = gitCommit
        self.buildDate = buildDate
        self.platform = platform
    }

    /// In Go's words, which clients expect.
    public static var platform: String {
        #if arch(arm64)
        "linux/arm64"
        #else
        "linux/amd64"
        #endif
    }

    var json: JSON {
        [
            "major": .string(major), "minor": .string(minor), "emulationMajor": .string(major), "emulationMinor": .string(minor),
            "gitVersion": .string(gitVersion), "gitCommit": .string(gitCommit), "gitTreeState": "clean", "buildDate": .string(buildDate),
            "goVersion": "", "compiler": "swift", "platform": .string(platform),
        ]
    }
}

/// What is no resource: health, version, discovery, OpenAPI.
extension APIServer {
    func version(_ request: ServerRequest) -> ServerResponse? {
        guard request.path == "/version" || request.path == "/version/", request.method == .GET else { return nil }
        return .json(configuration.version.json)
    }

    func health(_ request: ServerRequest) -> ServerResponse? {
        let parts = request.pathSegments
        guard let endpoint = parts.first, ["healthz", "livez", "readyz"].contains(endpoint), parts.count <= 2,
            request.method == .GET || request.method == .HEAD
        else { return nil }
        let checks = ["ping", "storage"]
        if parts.count == 2 { return checks.contains(parts[1]) ? Self.plain("ok") : nil }
        guard request.query["verbose"] != nil else { return Self.plain("ok") }
        return Self.plain(checks.map { "[+]\($0) ok\n" }.joined() + "\(endpoint) check passed\n")
    }

    private static func plain(_ text: String) -> ServerResponse {
        .full(status: .ok, headers: ["content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"], body: Array(text.utf8))
    }

    /// Discovery and OpenAPI.
    func document(_ request: ServerRequest) throws(StatusError) -> ServerResponse {
        guard request.method == .GET || request.method == .HEAD else { throw .unknownPath() }
        let parts = request.pathSegments
        let (discovery, openAPI) = (api.discovery, api.openAPI)
        switch (parts.first, parts.count) {
        case (nil, _):
            let paths = [
                "/.well-known/openid-configuration", "/api", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/openid/v1/jwks", "/readyz",
                "/version",
            ]
            return .json(["paths": JSON(paths)])
        case ("api", 1):
            if let version = Discovery.aggregatedVersion(request.headers) { return discovery.aggregated(version: version, core: true) }
            return .json(Discovery.coreVersions)
        case ("apis", 1):
            if let version = Discovery.aggregatedVersion(request.headers) { return discovery.aggregated(version: version, core: false) }
            return .json(discovery.groups)
        case ("apis", 2):
            if let group = discovery.group(parts[1]) { return .json(group) }
        case ("api", 2):
            if let resources = discovery.resources(group: "", version: parts[1]) { return .json(resources) }
        case ("apis", 3):
            if let resources = discovery.resources(group: parts[1], version: parts[2]) { return .json(resources) }
        case (".well-known", 2) where parts[1] == "openid-configuration":
            return .json(tokens.issuer.discoveryDocument)
        case ("openid", 3) where parts[1] == "v1" && parts[2] == "jwks":
            return .full(status: .ok, headers: ["content-type": "application/jwk-set+json"], body: tokens.issuer.keys.keySet.bytes())
        case ("openapi", _):
            if let document = try openAPI.respond(Array(parts.dropFirst()), request) { return document }
        default:
            break
        }
        throw .unknownPath()
    }
}
