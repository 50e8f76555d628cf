/// A content digest, `sha256:` and 64 lower-case hexadecimal digits. Other algorithms are refused: nothing uses them.
public struct Digest: Sendable, Hashable, CustomStringConvertible {
    /// The 64 digits without the algorithm.
    public let hex: String

    /// - Throws: ``OCIError`` with `invalidReference`.
    public init(parsing text: some StringProtocol) throws(OCIError) {
        let prefix = "sha256:"
        guard text.hasPrefix(prefix) else {
            throw OCIError(.invalidReference, "expected a digest such as sha256:0123…, found \(text.prefix(80))")
        }
        let digits = text.dropFirst(prefix.count)
        guard Digest.isHex(digits) else {
            throw OCIError(.invalidReference, "expected 64 lower-case hexadecimal digits after sha256:, found \(digits.prefix(80))")
        }
        hex = String(digits)
    }

    /// - Parameter sha256: the 32 bytes of the hash.
    public init(sha256: some Sequence<UInt8>) {
        var text: [UInt8] = []
        text.reserveCapacity(64)
        let digits = Array("0123456789abcdef".utf8)
        for byte in sha256 {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        hex = String(decoding: text, as: UTF8.self)
    }

    public var description: String { "sha256:" + hex }

    static func isHex(_ text: some StringProtocol) -> Bool {
        text.utf8.count == 64 && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
