import Glibc

/// IP addresses as DNS has them: 4 or 16 bytes in network order.
enum IPBytes {
    /// Reads `10.96.0.10` or `fd00::1`.
    static func parse(_ text: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 { return Array(bytes.prefix(4)) }
        if inet_pton(AF_INET6, text, &bytes) == 1 { return bytes }
        return nil
    }

    /// `10.96.0.10`, or the shortest form of an IPv6 address.
    static func text(_ bytes: [UInt8]) -> String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(bytes.count == 4 ? AF_INET : AF_INET6, bytes, &text, socklen_t(text.count)) != nil else { return "" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// A label that stands for the address: `10-244-0-7`.
    static func label(_ bytes: [UInt8]) -> String {
        String(text(bytes).map { $0 == "." || $0 == ":" ? "-" : $0 })
    }

    /// The address that such a label stands for.
    static func parse(label: String) -> [UInt8]? {
        let dotted = String(label.map { $0 == "-" ? "." : $0 })
        if let address = parse(dotted), address.count == 4 { return address }
        return parse(String(label.map { $0 == "-" ? ":" : $0 }))
    }

    /// The address of a name below `in-addr.arpa` or `ip6.arpa`, the labels in lower case.
    static func parse(reverse words: [String]) -> [UInt8]? {
        switch words.suffix(2) {
        case ["in-addr", "arpa"] where words.count == 6:
            return parse(words.prefix(4).reversed().joined(separator: "."))
        case ["ip6", "arpa"] where words.count == 34:
            let nibbles = words.prefix(32).reversed().compactMap { $0.utf8.count == 1 ? UInt8($0, radix: 16) : nil }
            guard nibbles.count == 32 else { return nil }
            return (0..<16).map { nibbles[2 * $0] << 4 | nibbles[2 * $0 + 1] }
        default: return nil
        }
    }
}
