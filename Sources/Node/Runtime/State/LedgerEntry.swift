/// One thing on the host that must not outlive its sandbox, written down before it is made.
struct LedgerEntry: Sendable, Hashable {
    /// How to take it away. Each undo succeeds when the thing is not there: the agent may have died between note and deed.
    enum Kind: String, Sendable, CaseIterable {
        /// A directory with everything below it; never crosses into a mount, since mounts are entries of their own.
        case directory
        /// A mount point, detached whole.
        case mount
        /// A bind-mounted namespace file: unmounted, then unlinked.
        case pin
        /// A cgroup relative to the node's root: everything in it is killed, then it is removed with its children.
        case cgroup
        /// The pod's place in the network; the path is that of its network namespace.
        case network
        /// The shim of the pod directory at this path: killed if it still holds its lock.
        case shim
    }

    /// The sandbox itself, or the container it belongs to: a container's entries end with the container.
    enum Scope: Sendable, Hashable {
        case sandbox
        case container(String)
    }

    var scope: Scope
    var kind: Kind
    var path: String
}

/// The file format: a line an event, `+ scope kind path` for a note and `- scope` for the end of everything in a scope.
/// A line that was not finished is one whose write was cut off: the thing it speaks of was not made.
enum LedgerCodec {
    static func line(noting entry: LedgerEntry) -> String { "+ \(word(entry.scope)) \(entry.kind.rawValue) \(escaped(entry.path))\n" }

    static func line(ending scope: LedgerEntry.Scope) -> String { "- \(word(scope))\n" }

    /// What is still owed, in the order it was noted.
    static func outstanding(_ bytes: [UInt8]) throws(RuntimeError) -> [LedgerEntry] {
        var entries: [LedgerEntry] = []
        var rest = bytes[...]
        var number = 0
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            number += 1
            let line = String(decoding: rest[..<end], as: UTF8.self)
            rest = rest[(end + 1)...]
            let words = line.split(separator: " ", omittingEmptySubsequences: false)
            if words.count == 4, words[0] == "+", let kind = LedgerEntry.Kind(rawValue: String(words[2])), let path = unescaped(words[3]) {
                entries.append(LedgerEntry(scope: scope(words[1]), kind: kind, path: path))
            } else if words.count == 2, words[0] == "-" {
                let ended = scope(words[1])
                entries.removeAll { $0.scope == ended }
            } else {
                throw RuntimeError(.wrongState, "ledger line \(number): expected a note or an end, found \"\(line)\"")
            }
        }
        return entries
    }

    private static func word(_ scope: LedgerEntry.Scope) -> String {
        switch scope {
        case .sandbox: "sandbox"
        case .container(let id): escaped(id)
        }
    }

    private static func scope(_ word: Substring) -> LedgerEntry.Scope {
        word == "sandbox" ? .sandbox : .container(unescaped(word) ?? String(word))
    }

    /// Percent-encodes what would break a line into words or lines.
    private static func escaped(_ text: String) -> String {
        var result: [UInt8] = []
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in text.utf8 {
            if byte <= 0x20 || byte == 0x7F || byte == UInt8(ascii: "%") {
                result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            } else {
                result.append(byte)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func unescaped(_ text: Substring) -> String? {
        var result: [UInt8] = []
        var bytes = text.utf8.makeIterator()
        while let byte = bytes.next() {
            guard byte == UInt8(ascii: "%") else { result.append(byte); continue }
            guard let high = bytes.next(), let low = bytes.next(),
                  let value = UInt8(String(decoding: [high, low], as: UTF8.self), radix: 16) else { return nil }
            result.append(value)
        }
        return String(decoding: result, as: UTF8.self)
    }
}
