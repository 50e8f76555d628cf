import PercentEncoding
import Testing

@Suite struct PercentEncodingTests {
    @Test(arguments: [("plain-._~09AZaz", "plain-._~09AZaz"), ("a b/c?d=e&f+g%", "a%20b%2Fc%3Fd%3De%26f%2Bg%25"), ("€", "%E2%82%AC"), ("", "")])
    func encodes(text: String, encoded: String) {
        #expect(percentEncoded(text) == encoded)
        #expect(percentDecoded(encoded.utf8, plusIsSpace: true) == text)
    }

    @Test(arguments: [("%zz%4", "%zz%4"), ("%2f%2F", "//"), ("a+b", "a+b"), ("%ff", "\u{FFFD}"), ("%", "%")])
    func decodesWhatOthersWrite(encoded: String, text: String) {
        #expect(percentDecoded(encoded.utf8, plusIsSpace: false) == text)
    }

    @Test func aPlusIsASpaceInAQueryAlone() {
        #expect(percentDecoded("a+b%2B".utf8, plusIsSpace: true) == "a b+")
    }
}
