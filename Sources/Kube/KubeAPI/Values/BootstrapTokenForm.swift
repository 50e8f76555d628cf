/// The forms of a bootstrap token's parts (https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/).
public enum BootstrapTokenForm {
    public static let secretType = "bootstrap.kubernetes.io/token"
    /// Before the token's id in the name of its Secret.
    public static let namePrefix = "bootstrap-token-"

    /// `[a-z0-9]{6}`
    public static func isID(_ text: String) -> Bool { text.utf8.count == 6 && text.utf8.allSatisfy(isLowerAlphanumeric) }

    /// `[a-z0-9]{16}`
    public static func isSecret(_ text: String) -> Bool { text.utf8.count == 16 && text.utf8.allSatisfy(isLowerAlphanumeric) }

    /// `system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]`
    public static func isGroup(_ text: String) -> Bool {
        let prefix = "system:bootstrappers:"
        guard text.hasPrefix(prefix) else { return false }
        let rest = text.utf8.dropFirst(prefix.utf8.count)
        guard let last = rest.last, rest.count <= 256, isLowerAlphanumeric(last) else { return false }
        return rest.allSatisfy { isLowerAlphanumeric($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "-") }
    }

    private static func isLowerAlphanumeric(_ byte: UInt8) -> Bool {
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
    }
}
