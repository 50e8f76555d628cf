public import JSONTree

/// The path of a printer column: the part of kubectl's JSONPath that leads to one value.
///
///     .spec.replicas   .metadata.labels['a.b/c']   .spec.ports[0].port   .status.conditions[?(@.type=="Ready")].status
public struct PrinterPath: Sendable, Hashable {
    private enum Step: Sendable, Hashable {
        case member(String)
        case index(Int)
        case all
        case matching([String], String)
    }

    private var steps: [Step] = []

    /// Nil if the text is no such path.
    public init?(_ text: String) {
        var rest = Substring(text)
        if rest.hasPrefix("{"), rest.hasSuffix("}") { rest = rest.dropFirst().dropLast() }
        guard rest.hasPrefix(".") || rest.hasPrefix("[") else { return nil }
        while let first = rest.first {
            if first == "." {
                let name = Self.name(&rest)
                guard !name.isEmpty else { return nil }
                steps.append(.member(name))
            } else if first == "[", let end = Self.end(of: rest), let step = Self.bracket(rest[rest.index(after: rest.startIndex)..<end]) {
                steps.append(step)
                rest = rest[rest.index(after: end)...]
            } else {
                return nil
            }
        }
    }

    /// A name behind its dot; a backslash keeps the dot after it.
    private static func name(_ rest: inout Substring) -> String {
        rest = rest.dropFirst()
        var name = ""
        while let character = rest.first, character != ".", character != "[" {
            rest = rest.dropFirst()
            if character == "\\", let next = rest.popFirst() { name.append(next) } else { name.append(character) }
        }
        return name
    }

    private static func end(of rest: Substring) -> Substring.Index? {
        var quote: Character?
        for index in rest.indices {
            let character = rest[index]
            if let open = quote {
                if character == open { quote = nil }
            } else if character == "'" || character == "\"" {
                quote = character
            } else if character == "]" {
                return index
            }
        }
        return nil
    }

    private static func bracket(_ content: Substring) -> Step? {
        if content == "*" { return .all }
        if let index = Int(content), index >= 0 { return .index(index) }
        if let text = quoted(content) { return .member(text) }
        guard content.hasPrefix("?(@."), content.hasSuffix(")") else { return nil }
        let test = content.dropFirst(4).dropLast()
        guard let equals = test.range(of: "==") else { return nil }
        let path = test[..<equals.lowerBound].filter { $0 != " " }.split(separator: ".").map(String.init)
        let value = test[equals.upperBound...].drop { $0 == " " }
        guard !path.isEmpty, let text = quoted(value) ?? (value.isEmpty ? nil : String(value)) else { return nil }
        return .matching(path, text)
    }

    private static func quoted(_ text: Substring) -> String? {
        guard let first = text.first, first == "'" || first == "\"", text.count >= 2, text.last == first else { return nil }
        return String(text.dropFirst().dropLast())
    }

    /// The first value that the path leads to.
    public func value(in object: JSON) -> JSON? { Self.value(steps[...], in: object) }

    private static func value(_ steps: ArraySlice<Step>, in object: JSON) -> JSON? {
        guard let step = steps.first else { return object }
        let rest = steps.dropFirst()
        switch step {
        case .member(let name): return object[name].flatMap { value(rest, in: $0) }
        case .index(let index): return object[index].flatMap { value(rest, in: $0) }
        case .all:
            for element in object.array ?? [] { if let found = value(rest, in: element) { return found } }
            return nil
        case .matching(let path, let text):
            for element in object.array ?? [] {
                let found = path.reduce(Optional(element)) { $0?[$1] }
                guard found?.string == text || found?.description == text else { continue }
                if let found = value(rest, in: element) { return found }
            }
            return nil
        }
    }
}

extension Substring {
    /// The place of a text.
    fileprivate func range(of text: String) -> Range<Index>? {
        for start in indices where self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
        return nil
    }
}
