#if canImport(Glibc)
import Glibc
#else
import Musl
#endif

/// The forms that texts of the API have. The schemas name them as `format`; those beside OpenAPI's own are ours.
///
/// Each rule tells what is wrong in Kubernetes' words, and nothing if all is well.
public enum ValueFormat: String, Sendable {
    case byte
    case dateTime = "date-time"
    case microTime = "micro-time"
    case quantity
    case dnsLabel = "dns-1123-label"
    case dnsSubdomain = "dns-1123-subdomain"
    case qualifiedName = "qualified-name"
    case qualifiedNameOrEmpty = "qualified-name-or-empty"
    case labelValue = "label-value"
    case environmentName = "env-name"
    case environmentPrefix = "env-prefix"
    case configKey = "config-key"
    case portName = "port-name"
    case port
    case ip
    case httpHeaderName = "http-header-name"
    case relativePath = "relative-path"

    /// What is wrong with a text of this form. Bytes, times and quantities are the decoder's to judge.
    public func problems(_ text: String) -> [String] {
        switch self {
        case .byte, .dateTime, .microTime, .quantity: []
        case .dnsLabel: Self.dnsLabel(text)
        case .dnsSubdomain: Self.dnsSubdomain(text)
        case .qualifiedName: Self.qualifiedName(text)
        case .qualifiedNameOrEmpty: text.isEmpty ? [] : Self.qualifiedName(text)
        case .labelValue: Self.labelValue(text)
        case .environmentName, .environmentPrefix: Self.environmentName(text)
        case .configKey: Self.configKey(text)
        case .portName, .port: Self.portName(text)
        case .ip: Self.ip(text)
        case .httpHeaderName: Self.httpHeaderName(text)
        case .relativePath: Self.relativePath(text)
        }
    }

    /// Whether OpenAPI knows the format too.
    var isPublished: Bool { self == .byte || self == .dateTime }

    private static let labelRule = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"

    /// A label as in RFC 1123, in lower case.
    public static func dnsLabel(_ text: String) -> [String] {
        var problems: [String] = []
        if text.utf8.count > 63 { problems.append(longer(than: 63)) }
        if !isLabel(text.utf8[...]) {
            problems.append(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
                    + "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '\(labelRule)')")
        }
        return problems
    }

    /// A label as in RFC 1035: like that of RFC 1123, but it begins with a letter.
    public static func dns1035Label(_ text: String) -> [String] {
        var problems: [String] = []
        if text.utf8.count > 63 { problems.append(longer(than: 63)) }
        let begins = text.utf8.first.map { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 } ?? false
        if !begins || !isLabel(text.utf8[...]) {
            problems.append(
                "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end "
                    + "with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')")
        }
        return problems
    }

    /// Labels joined by dots.
    public static func dnsSubdomain(_ text: String) -> [String] {
        var problems: [String] = []
        if text.utf8.count > 253 { problems.append(longer(than: 253)) }
        if !text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy(isLabel) {
            problems.append(
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with "
                    + "an alphanumeric character (e.g. 'example.com', regex used for validation is '\(labelRule)(\\.\(labelRule))*')")
        }
        return problems
    }

    private static func isLabel(_ bytes: Substring.UTF8View) -> Bool {
        guard let first = bytes.first, let last = bytes.last, isLowerAlphanumeric(first), isLowerAlphanumeric(last) else { return false }
        return bytes.allSatisfy { isLowerAlphanumeric($0) || $0 == UInt8(ascii: "-") }
    }

    private static let nameRule = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
    private static let nameWords =
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"

    /// `[prefix/]name`, the form of label keys and resource names.
    public static func qualifiedName(_ text: String) -> [String] {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let hint = "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '\(nameRule)')"
        guard parts.count <= 2, let name = parts.last else {
            return ["a qualified name \(nameWords) \(hint) with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
        }
        var problems: [String] = []
        if parts.count == 2 {
            if parts[0].isEmpty { problems.append("prefix part must be non-empty") }
            else { problems += dnsSubdomain(String(parts[0])).map { "prefix part \($0)" } }
        }
        if name.isEmpty { problems.append("name part must be non-empty") }
        else if name.utf8.count > 63 { problems.append("name part \(longer(than: 63))") }
        if !isName(name.utf8) { problems.append("name part \(nameWords) \(hint)") }
        return problems
    }

    private static func isName(_ bytes: Substring.UTF8View) -> Bool {
        guard let first = bytes.first, let last = bytes.last, isAlphanumeric(first), isAlphanumeric(last) else { return false }
        return bytes.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") }
    }

    /// The value of a label.
    public static func labelValue(_ text: String) -> [String] {
        var problems: [String] = []
        if text.utf8.count > 63 { problems.append(longer(than: 63)) }
        if !text.isEmpty, !isName(text.utf8[...]) {
            problems.append(
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with "
                    + "an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(\(nameRule))?')")
        }
        return problems
    }

    /// The name of an environment variable (KEP-4369: any printable ASCII but `=`).
    public static func environmentName(_ text: String) -> [String] {
        guard !text.utf8.allSatisfy({ 0x20..<0x7F ~= $0 && $0 != UInt8(ascii: "=") }) else { return [] }
        return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
    }

    /// A key of a ConfigMap or Secret.
    public static func configKey(_ text: String) -> [String] {
        var problems: [String] = []
        if text.utf8.count > 253 { problems.append(longer(than: 253)) }
        let allowed = text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") }
        if text.isEmpty || !allowed {
            problems.append(
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or "
                    + "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')")
        }
        if text == "." { problems.append("must not be '.'") }
        else if text == ".." { problems.append("must not be '..'") }
        else if text.hasPrefix("..") { problems.append("must not start with '..'") }
        return problems
    }

    /// The name of a port (RFC 6335).
    public static func portName(_ text: String) -> [String] {
        var problems: [String] = []
        if text.utf8.count > 15 { problems.append(longer(than: 15)) }
        if text.isEmpty || !text.utf8.allSatisfy({ isLowerAlphanumeric($0) || $0 == UInt8(ascii: "-") }) {
            problems.append("must contain only alphanumeric characters (a-z, 0-9), and hyphens (-)")
        }
        if !text.utf8.contains(where: { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 }) { problems.append("must contain at least one letter (a-z)") }
        if text.contains("--") { problems.append("must not contain consecutive hyphens") }
        if text.hasPrefix("-") || text.hasSuffix("-") { problems.append("must not begin or end with a hyphen") }
        return problems
    }

    /// An IPv4 or IPv6 address.
    public static func ip(_ text: String) -> [String] {
        var address = in6_addr()
        if inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1 { return [] }
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    }

    /// The name of an HTTP header.
    public static func httpHeaderName(_ text: String) -> [String] {
        if !text.isEmpty, text.utf8.allSatisfy({ isAlphanumeric($0) || $0 == UInt8(ascii: "-") }) { return [] }
        return [
            "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is "
                + "'[-A-Za-z0-9]+')"
        ]
    }

    /// A path that stays below where it is resolved.
    public static func relativePath(_ text: String) -> [String] {
        var problems: [String] = []
        if text.hasPrefix("/") { problems.append("must be a relative path") }
        if text.split(separator: "/").contains("..") { problems.append("must not contain '..'") }
        return problems
    }

    static func range(_ minimum: Int64, _ maximum: Int64) -> String { "must be between \(minimum) and \(maximum), inclusive" }

    static func longer(than count: Int) -> String { "must be no more than \(count) bytes" }

    private static func isLowerAlphanumeric(_ byte: UInt8) -> Bool {
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        isLowerAlphanumeric(byte) || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
    }
}
