import KubeAPI
import Testing

@Suite struct Base64Tests {
    static let pairs: [(String, String)] = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy")]

    @Test(arguments: pairs)
    func readsAndWrites(plain: String, encoded: String) throws {
        #expect(Base64.encode(Array(plain.utf8)) == encoded)
        #expect(try Base64.decode(encoded) == Array(plain.utf8))
        #expect(try Base64.decode(encoded + "\n") == Array(plain.utf8))
    }

    @Test(arguments: ["Z", "Zg", "Zg=", "Zg=a", "====", "Zm9v!", "Zg==Zg==", "Z==="])
    func refuses(text: String) {
        #expect { try Base64.decode(text) } throws: { "\($0)".hasPrefix("illegal base64 data") }
    }

    @Test func everyByteComesBack() throws {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7) }
        #expect(try Base64.decode(Base64.encode(bytes)) == bytes)
    }
}
