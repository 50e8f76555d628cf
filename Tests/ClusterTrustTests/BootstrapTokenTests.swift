import JSONTree
import KubeAPI
import TestAuthority
import Testing

@testable import ClusterTrust

@Suite struct BootstrapTokenTests {
    @Test(arguments: ["", "abcdef", "abcdef.", "abcdef.0123456789ABCDEF", "abcde.0123456789abcdef", "abcdef.0123456789abcde", "abcdef.0123456789abcdef.x", " abcdef.0123456789abcdef"])
    func whatIsNoTokenIsRefused(_ text: String) {
        #expect(throws: ClusterTrustError.self) { try BootstrapToken(text) }
    }

    @Test func aNewTokenCanBeReadAgain() throws {
        var generator = SystemRandomNumberGenerator()
        let token = BootstrapToken.random(using: &generator)
        #expect(try BootstrapToken(token.description) == token)
        #expect(token != BootstrapToken.random(using: &generator))
    }

    @Test func aSecretHoldsAllOfAToken() throws {
        let token = try BootstrapToken("abcdef.0123456789abcdef")
        let secret = BootstrapTokenSecret(token: token, expiration: try Time("2026-01-02T03:04:05Z"), description: "for a test", signs: false)
        #expect(secret.secret[path: "metadata", "name"] == "bootstrap-token-abcdef")
        #expect(BootstrapTokenSecret(secret: secret.secret) == secret)
        var renamed = secret.secret
        renamed["metadata"]?["name"] = "bootstrap-token-ghijkl"
        #expect(BootstrapTokenSecret(secret: renamed) == nil)
        var typed = secret.secret
        typed["type"] = "Opaque"
        #expect(BootstrapTokenSecret(secret: typed) == nil)
    }

    @Test func aTokenExpiresAtItsTimeAndWithoutOneNever() throws {
        let token = try BootstrapToken("abcdef.0123456789abcdef")
        let time = try Time("2026-01-02T03:04:05Z")
        let secret = BootstrapTokenSecret(token: token, expiration: time)
        #expect(!secret.isExpired(at: time + .seconds(-1)))
        #expect(secret.isExpired(at: time))
        #expect(!BootstrapTokenSecret(token: token, expiration: nil).isExpired(at: time))
        var malformed = secret.secret
        malformed["data"]?["expiration"] = .string(Base64.encode(Array("tomorrow".utf8)))
        #expect(BootstrapTokenSecret(secret: malformed)?.isExpired(at: time + .seconds(-1)) == true)
    }

    @Test func aForeignGroupLetsNobodyIn() throws {
        let token = try BootstrapToken("abcdef.0123456789abcdef")
        let secret = BootstrapTokenSecret(token: token, expiration: nil, groups: ["system:masters"]).secret
        #expect(BootstrapTokenSecret(secret: secret)?.authenticates == false)
        #expect(!BootstrapTokenForm.isGroup("system:bootstrappers:"))
        #expect(!BootstrapTokenForm.isGroup("system:bootstrappers:a:"))
        #expect(BootstrapTokenForm.isGroup("system:bootstrappers:a:b-c"))
    }

    /// Compared with Python's hmac and base64.
    @Test func aSignatureIsWhatOthersMakeOfIt() throws {
        let content = "Hello from the other side. I must have called a thousand times."
        #expect(DetachedSignature.make(content, id: "joshua", secret: "my voice is my passcode")
            == "eyJhbGciOiJIUzI1NiIsImtpZCI6Impvc2h1YSJ9..VShe2taLd-YTrmWuRkcL_8QTNDHYxQIEBsAYYiIj1_8")
        let token = try BootstrapToken("abcdef.0123456789abcdef")
        let signature = DetachedSignature.make(content, token)
        #expect(DetachedSignature.isValid(signature, of: content, token))
        #expect(!DetachedSignature.isValid(signature, of: content + " ", token))
        #expect(!DetachedSignature.isValid(signature, of: content, try BootstrapToken("abcdef.0123456789abcdee")))
        #expect(!DetachedSignature.isValid("", of: content, token))
    }

    @Test func aPinIsThatOfThePublicKey() throws {
        let (one, other) = (try TestAuthority().certificate, try TestAuthority().certificate)
        let pin = try PublicKeyPin(certificatePEM: one)
        #expect(try PublicKeyPin(pin.description) == pin)
        #expect(try PublicKeyPin(pin.description.replacing("sha256:", with: "sha256:").uppercased().replacing("SHA256", with: "sha256")) == pin)
        #expect(try PublicKeyPin(certificatePEM: other) != pin)
        for text in ["", "sha256", "sha1:00", "sha256:00", "sha256:" + String(repeating: "g", count: 64)] {
            #expect(throws: ClusterTrustError.self) { try PublicKeyPin(text) }
        }
    }
}
