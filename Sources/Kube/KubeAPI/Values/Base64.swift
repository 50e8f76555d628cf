/// Base64 as JSON carries bytes (RFC 4648 section 4, with padding).
public enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 0xFF, count: 256)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()

    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        var group: UInt32 = 0
        var filled = 0
        for byte in bytes {
            group = group << 8 | UInt32(byte)
            filled += 1
            if filled == 3 {
                for shift in [18, 12, 6, 0] as [UInt32] { text.append(alphabet[Int(group >> shift & 63)]) }
                (group, filled) = (0, 0)
            }
        }
        if filled > 0 {
            group <<= UInt32(8 * (3 - filled))
            for index in 0..<4 {
                text.append(index <= filled ? alphabet[Int(group >> UInt32(18 - 6 * index) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads base64; line breaks are skipped as Go's decoder does.
    public static func decode(_ text: String) throws(APIValueError) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count / 4 * 3)
        var group: UInt32 = 0
        var filled = 0
        var padding = 0
        for (offset, character) in text.utf8.enumerated() {
            if character == 0x0A || character == 0x0D { continue }
            if character == UInt8(ascii: "="), filled >= 2 {
                padding += 1
            } else {
                let value = values[Int(character)]
                guard value != 0xFF, padding == 0 else { throw illegal(at: offset) }
                group = group << 6 | UInt32(value)
            }
            filled += 1
            guard filled == 4 else { continue }
            group <<= UInt32(6 * padding)
            for index in 0..<3 - padding { bytes.append(UInt8(truncatingIfNeeded: group >> UInt32(16 - 8 * index))) }
            if padding > 0, offset + 1 < text.utf8.count, !text.utf8.dropFirst(offset + 1).allSatisfy({ $0 == 0x0A || $0 == 0x0D }) {
                throw illegal(at: offset + 1)
            }
            (group, filled) = (0, 0)
        }
        if filled != 0 { throw illegal(at: text.utf8.count) }
        return bytes
    }

    private static func illegal(at offset: Int) -> APIValueError {
        APIValueError(.base64, "illegal base64 data at input byte \(offset)")
    }
}
