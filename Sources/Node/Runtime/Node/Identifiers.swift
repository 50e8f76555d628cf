/// Names that become directories, cgroups and file names.
enum Identifiers {
    /// 64 hexadecimal digits: what log shippers expect of a container id in a file name.
    static func container() -> String {
        var generator = SystemRandomNumberGenerator()
        var id = ""
        for _ in 0..<4 {
            let digits = String(generator.next() as UInt64, radix: 16)
            id += String(repeating: "0", count: 16 - digits.count) + digits
        }
        return id
    }

    /// The pod's uid and the attempt: stable, so that making a sandbox twice is noticed.
    static func sandbox(_ configuration: SandboxConfiguration) throws(RuntimeError) -> String {
        guard isPlain(configuration.uid), configuration.uid.utf8.count <= 128 else {
            throw RuntimeError(.invalidConfiguration, "pod uid \"\(configuration.uid)\" is not usable: expected 1 to 128 letters, digits, \"-\", \"_\" and \".\"")
        }
        return "\(configuration.uid)-\(configuration.attempt)"
    }

    /// A single safe path component.
    static func isPlain(_ name: String) -> Bool {
        guard let first = name.utf8.first, first != UInt8(ascii: "."), first != UInt8(ascii: "-") else { return false }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
            case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
            default: false
            }
        }
    }

    /// A relative path without `..`, as a log path must be.
    static func isConfined(_ path: String) -> Bool {
        !path.isEmpty && path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
    }
}
