internal import Crypto
internal import FoundationEssentials
internal import KubeAPI

/// A signature without what it signs: JWS in compact form (RFC 7515 appendix F) by HMAC-SHA256 with a bootstrap token.
public enum DetachedSignature {
    /// `<header>..<signature>`
    public static func make(_ content: String, _ token: BootstrapToken) -> String { make(content, id: token.id, secret: token.secret) }

    /// Whether a signature is that of the content by the token.
    public static func isValid(_ signature: String, of content: String, _ token: BootstrapToken) -> Bool {
        let expected = Array(make(content, token).utf8), found = Array(signature.utf8)
        return expected.count == found.count && zip(expected, found).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }

    static func make(_ content: String, id: String, secret: String) -> String {
        let header = Base64URL.encode(Array("{\"alg\":\"HS256\",\"kid\":\"\(id)\"}".utf8))
        let signed = header + "." + Base64URL.encode(Array(content.utf8))
        let code = HMAC<SHA256>.authenticationCode(for: Array(signed.utf8), using: SymmetricKey(data: Array(secret.utf8)))
        return header + ".." + Base64URL.encode(Array(code))
    }
}
