/// Decodes `%XX`; a percent sign that starts no valid escape stands for itself, and bytes that are not UTF-8 are replaced.
/// - Parameter plusIsSpace: as in a query (`application/x-www-form-urlencoded`), not as in a path.
public func percentDecoded(_ bytes: some Collection<UInt8>, plusIsSpace: Bool) -> String {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var index = bytes.startIndex
    while index != bytes.endIndex {
        let byte = bytes[index]
        bytes.formIndex(after: &index)
        if byte == UInt8(ascii: "+"), plusIsSpace {
            result.append(UInt8(ascii: " "))
        } else if byte == UInt8(ascii: "%") {
            let escape = bytes[index...].prefix(2)
            if escape.count == 2, let high = hexValue(escape.first), let low = hexValue(escape.dropFirst().first) {
                result.append(high << 4 | low)
                index = bytes.index(index, offsetBy: 2)
            } else {
                result.append(byte)
            }
        } else {
            result.append(byte)
        }
    }
    return String(decoding: result, as: UTF8.self)
}

/// Encodes everything but the unreserved characters of RFC 3986.
public func percentEncoded(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var result: [UInt8] = []
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"):
            result.append(byte)
        default:
            result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
    }
    return String(decoding: result, as: UTF8.self)
}

private func hexValue(_ byte: UInt8?) -> UInt8? {
    switch byte {
    case .some(let b) where b >= UInt8(ascii: "0") && b <= UInt8(ascii: "9"): b - UInt8(ascii: "0")
    case .some(let b) where b >= UInt8(ascii: "a") && b <= UInt8(ascii: "f"): b - UInt8(ascii: "a") + 10
    case .some(let b) where b >= UInt8(ascii: "A") && b <= UInt8(ascii: "F"): b - UInt8(ascii: "A") + 10
    default: nil
    }
}
