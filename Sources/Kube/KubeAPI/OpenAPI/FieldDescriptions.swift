/// What fields are for, in words: the text of `kubectl explain`. Read when the first document is made; a server that nobody
/// asks does without it.
struct FieldDescriptions: Sendable {
    private var texts: [String: String] = [:]

    static let shared = FieldDescriptions(EmbeddedDescriptions.text)

    /// One type a paragraph: its name and text, then its fields, indented. The type `*` has the fields that mean the same
    /// everywhere.
    init(_ text: StaticString) {
        let bytes = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        var type: Substring = ""
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            guard let equals = line.range(of: " = ") else { continue }
            let value = String(line[equals.upperBound...])
            if line.hasPrefix("  ") {
                texts["\(type).\(line[..<equals.lowerBound].drop { $0 == " " })"] = value
            } else {
                type = line[..<equals.lowerBound]
                texts[String(type)] = value
            }
        }
    }

    /// The text of a type by its short name; empty if there is none.
    func text(type: String) -> String { texts[type] ?? "" }

    /// The text of a field; empty if there is none.
    func text(type: String, field: String) -> String { texts["\(type).\(field)"] ?? texts["*.\(field)"] ?? "" }
}

extension Substring {
    fileprivate func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
