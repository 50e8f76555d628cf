import FoundationEssentials
import KubeAPI
import Yams

/// Where an API server is and how to prove who one is: the part of a kubeconfig that its current context chooses.
public struct Kubeconfig: Sendable, Hashable {
    /// `https://host:port`.
    public var server: String
    /// The authorities that vouch for the server, as PEM text.
    public var authority: String
    /// The client's certificate chain and key as PEM text; both or none.
    public var clientCertificate: String?
    public var clientKey: String?
    /// A bearer token.
    public var token: String?
    /// The namespace that the context names.
    public var namespace: String?

    public init(
        server: String, authority: String, clientCertificate: String? = nil, clientKey: String? = nil, token: String? = nil,
        namespace: String? = nil
    ) {
        self.server = server
        self.authority = authority
        self.clientCertificate = clientCertificate
        self.clientKey = clientKey
        self.token = token
        self.namespace = namespace
    }

    /// Reads a kubeconfig file. Files that it names are looked for beside it.
    /// - Parameter context: The context to use instead of the current one.
    /// - Throws: `KubeError` with `badRequest`, naming the file and what is missing in it.
    public init(path: String, context: String? = nil) throws(KubeError) {
        let directory = path.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
        do {
            try self.init(yaml: Self.read(path), directory: directory.isEmpty && path.hasPrefix("/") ? "/" : directory, context: context)
        } catch {
            throw KubeError(reason: .badRequest, message: "\(path): \(error.message)", cause: error.cause)
        }
    }

    /// Reads a kubeconfig.
    /// - Parameter directory: Where files are that it names by relative paths.
    public init(yaml: String, directory: String = ".", context: String? = nil) throws(KubeError) {
        let root: Node?
        do { root = try Yams.compose(yaml: yaml) } catch { throw Self.invalid("expected YAML", error) }
        guard let root, root.mapping != nil else { throw Self.invalid("expected a mapping at the top") }
        guard let contextName = context ?? root["current-context"]?.string, !contextName.isEmpty else {
            throw Self.invalid("expected current-context to name a context")
        }
        let chosen = try Self.entry("contexts", contextName, "context", in: root)
        guard let clusterName = chosen["cluster"]?.string else { throw Self.invalid("expected context \(contextName) to name a cluster") }
        let cluster = try Self.entry("clusters", clusterName, "cluster", in: root)
        guard let server = cluster["server"]?.string, server.hasPrefix("https://") else {
            throw Self.invalid("expected the server of cluster \(clusterName) to begin with https://")
        }
        guard cluster["insecure-skip-tls-verify"]?.bool != true else {
            throw Self.invalid("insecure-skip-tls-verify is not supported: give certificate-authority-data for cluster \(clusterName)")
        }
        guard let authority = try Self.material("certificate-authority", in: cluster, directory) else {
            throw Self.invalid("expected certificate-authority-data or certificate-authority for cluster \(clusterName)")
        }
        self.init(server: server.hasSuffix("/") ? String(server.dropLast()) : server, authority: authority, namespace: chosen["namespace"]?.string)
        guard let userName = chosen["user"]?.string, !userName.isEmpty else { return }
        let user = try Self.entry("users", userName, "user", in: root)
        clientCertificate = try Self.material("client-certificate", in: user, directory)
        clientKey = try Self.material("client-key", in: user, directory)
        guard (clientCertificate == nil) == (clientKey == nil) else {
            throw Self.invalid("expected user \(userName) to have a client certificate and its key, found only one of them")
        }
        token = user["token"]?.string
        if token == nil, let file = user["tokenFile"]?.string {
            let text = try Self.read(Self.resolve(file, directory))
            token = String(text.split(whereSeparator: \.isWhitespace).first ?? "")
        }
        for unsupported in ["exec", "auth-provider", "username", "password"] where user[unsupported] != nil {
            throw Self.invalid("\(unsupported) of user \(userName) is not supported: use a client certificate or a token")
        }
    }

    private static func entry(_ list: String, _ name: String, _ key: String, in root: Node) throws(KubeError) -> Node {
        for entry in root[list]?.sequence ?? [] where entry["name"]?.string == name {
            if let value = entry[key] { return value }
        }
        throw invalid("expected \(list) to have an entry named \(name)")
    }

    /// Inline data goes before a file of the same purpose, as in kubectl.
    private static func material(_ key: String, in node: Node, _ directory: String) throws(KubeError) -> String? {
        if let data = node[key + "-data"]?.string, !data.isEmpty {
            do {
                return String(decoding: try Base64.decode(data), as: UTF8.self)
            } catch {
                throw invalid("expected \(key)-data to be base64", error)
            }
        }
        guard let path = node[key]?.string, !path.isEmpty else { return nil }
        return try read(resolve(path, directory))
    }

    private static func resolve(_ path: String, _ directory: String) -> String {
        path.hasPrefix("/") || directory.isEmpty ? path : directory + "/" + path
    }

    private static func read(_ path: String) throws(KubeError) -> String {
        do {
            return String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
        } catch {
            throw KubeError(reason: .badRequest, message: "cannot read \(path)", cause: error)
        }
    }

    private static func invalid(_ message: String, _ cause: (any Error)? = nil) -> KubeError {
        KubeError(reason: .badRequest, message: message, cause: cause)
    }
}
