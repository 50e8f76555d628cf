/// A service account as a user: `system:serviceaccount:<namespace>:<name>`.
struct ServiceAccountName: Sendable, Hashable {
    let namespace: String
    let name: String

    private static let prefix = "system:serviceaccount:"

    init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    /// Nil for other users.
    init?(userName: String) {
        guard userName.hasPrefix(Self.prefix) else { return nil }
        let parts = userName.dropFirst(Self.prefix.count).split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { return nil }
        (namespace, name) = (String(parts[0]), String(parts[1]))
    }

    var userName: String { "\(Self.prefix)\(namespace):\(name)" }

    /// Every service account is in these.
    var groups: [String] { ["system:serviceaccounts", "system:serviceaccounts:\(namespace)"] }
}
