internal import Crypto
public import JSONTree
public import KubeAPI

/// A bootstrap token, `<id>.<secret>`: who has it may ask for a node's certificate, and can tell the cluster by it.
public struct BootstrapToken: Sendable, Hashable, CustomStringConvertible {
    /// Six characters, known to all.
    public let id: String
    /// Sixteen characters, for who joins alone.
    public let secret: String

    /// - Throws: ``ClusterTrustError`` in kubeadm's words.
    public init(_ text: String) throws(ClusterTrustError) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, BootstrapTokenForm.isID(parts[0]), BootstrapTokenForm.isSecret(parts[1]) else {
            throw ClusterTrustError("the bootstrap token is not of the form \"\\A([a-z0-9]{6})\\.([a-z0-9]{16})\\z\"")
        }
        (id, secret) = (parts[0], parts[1])
    }

    private init(id: String, secret: String) { (self.id, self.secret) = (id, secret) }

    /// A new one.
    public static func random(using generator: inout some RandomNumberGenerator) -> BootstrapToken {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz0123456789")
        func text(_ count: Int) -> String { String((0..<count).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &generator)] }) }
        return BootstrapToken(id: text(6), secret: text(16))
    }

    public var description: String { "\(id).\(secret)" }

    /// The name of its Secret in kube-system.
    public var secretName: String { BootstrapTokenForm.namePrefix + id }

    /// Whether two are the same; how long it takes tells nothing of the secret.
    public func matches(_ other: BootstrapToken) -> Bool {
        guard id == other.id else { return false }
        return zip(secret.utf8, other.secret.utf8).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

/// A token as its Secret has it.
public struct BootstrapTokenSecret: Sendable, Hashable {
    public static let namespace = "kube-system"
    /// The group that kubeadm's roles are bound to.
    public static let defaultGroup = "system:bootstrappers:kubeadm:default-node-token"

    public var token: BootstrapToken
    /// Nil for a token that never expires.
    public var expiration: Time?
    /// For people.
    public var description: String
    /// Beside `system:bootstrappers`.
    public var groups: [String]
    /// Whether the token lets in.
    public var authenticates: Bool
    /// Whether `cluster-info` is signed with it.
    public var signs: Bool
    /// An expiration that cannot be read has passed.
    private var isMalformed = false

    public init(
        token: BootstrapToken, expiration: Time?, description: String = "", groups: [String] = [defaultGroup], authenticates: Bool = true, signs: Bool = true
    ) {
        (self.token, self.expiration, self.description, self.groups) = (token, expiration, description, groups)
        (self.authenticates, self.signs) = (authenticates, signs)
    }

    /// Reads a Secret; nil if it holds no token, or one that its name does not fit.
    public init?(secret: JSON) {
        guard secret["type"]?.string == BootstrapTokenForm.secretType else { return nil }
        func text(_ key: String) -> String {
            String(decoding: (try? Base64.decode(secret["data"]?[key]?.string ?? "")) ?? [], as: UTF8.self)  // What is no base64 is no token.
        }
        guard let token = try? BootstrapToken("\(text("token-id")).\(text("token-secret"))"),
            secret[path: "metadata", "name"]?.string == token.secretName
        else { return nil }
        self.init(
            token: token, expiration: nil, description: text("description"), groups: text("auth-extra-groups").split(separator: ",").map(String.init),
            authenticates: text("usage-bootstrap-authentication") == "true", signs: text("usage-bootstrap-signing") == "true")
        let stated = text("expiration")
        if !stated.isEmpty {
            expiration = try? Time(stated)
            isMalformed = expiration == nil
        }
        // A group of another kind could be anybody's: then the token lets nobody in.
        if !groups.allSatisfy(BootstrapTokenForm.isGroup) { authenticates = false }
    }

    public func isExpired(at now: Time) -> Bool { isMalformed || expiration.map { now >= $0 } ?? false }

    /// The Secret that holds it.
    public var secret: JSON {
        var data: JSONObject = [:]
        func put(_ key: String, _ text: String) { data[key] = .string(Base64.encode(Array(text.utf8))) }
        if !groups.isEmpty { put("auth-extra-groups", groups.joined(separator: ",")) }
        if !description.isEmpty { put("description", description) }
        if let expiration { put("expiration", expiration.description) }
        put("token-id", token.id)
        put("token-secret", token.secret)
        if authenticates { put("usage-bootstrap-authentication", "true") }
        if signs { put("usage-bootstrap-signing", "true") }
        return [
            "apiVersion": "v1", "kind": "Secret", "metadata": ["name": .string(token.secretName), "namespace": .string(Self.namespace)],
            "type": .string(BootstrapTokenForm.secretType), "data": .object(data),
        ]
    }

    /// The uses, as kubeadm lists them.
    public var usages: [String] { (authenticates ? ["authentication"] : []) + (signs ? ["signing"] : []) }
}
