public import JSONTree

/// The place of a value in a document (RFC 6901).
public struct JSONPointer: Sendable, Hashable, CustomStringConvertible {
    let steps: [String]

    public init(_ text: String) throws(APIValueError) {
        if text.isEmpty {
            steps = []
            return
        }
        guard text.hasPrefix("/") else { throw APIValueError(.path, "expected a JSON pointer to start with '/', found \"\(text)\"") }
        steps = text.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map { Self.unescape($0) }
    }

    private static func unescape(_ step: Substring) -> String {
        var text = ""
        var rest = step
        while let character = rest.popFirst() {
            if character == "~", let code = rest.first, code == "0" || code == "1" {
                text.append(code == "0" ? "~" : "/")
                rest.removeFirst()
            } else {
                text.append(character)
            }
        }
        return text
    }

    public var description: String {
        steps.map { step in
            "/" + step.reduce(into: "") { text, character in
                switch character {
                case "~": text += "~0"
                case "/": text += "~1"
                default: text.append(character)
                }
            }
        }.joined()
    }

    func isInside(_ other: JSONPointer) -> Bool { steps.count > other.steps.count && steps.starts(with: other.steps) }

    /// The value at this place, if there is one.
    public func value(in document: JSON) -> JSON? {
        var value = document
        for step in steps {
            switch value {
            case .object(let object):
                guard let next = object[step] else { return nil }
                value = next
            case .array(let elements):
                guard let index = Self.index(step, count: elements.count) else { return nil }
                value = elements[index]
            default: return nil
            }
        }
        return value
    }

    func missing(_ operation: String) -> APIValueError {
        APIValueError(.patch, "\(operation) operation does not apply: doc is missing path: \"\(self)\"")
    }

    func add(_ value: JSON, to document: inout JSON) throws(APIValueError) {
        guard let last = steps.last else {
            document = value
            return
        }
        try change(parentIn: &document, steps.dropLast(), operation: "add") { (parent: inout JSON) throws(APIValueError) in
            switch parent {
            case .object: parent[last] = value
            case .array(let elements):
                let index = last == "-" ? elements.count : Self.index(last, count: elements.count + 1)
                guard let index else { throw self.missing("add") }
                parent.withArray { $0.insert(value, at: index) }
            default: throw self.missing("add")
            }
        }
    }

    func remove(from document: inout JSON, operation: String) throws(APIValueError) -> JSON {
        guard let last = steps.last else { throw missing(operation) }
        guard let value = value(in: document) else { throw missing(operation) }
        try change(parentIn: &document, steps.dropLast(), operation: operation) { (parent: inout JSON) throws(APIValueError) in
            switch parent {
            case .object: parent[last] = nil
            case .array(let elements):
                guard let index = Self.index(last, count: elements.count) else { throw self.missing(operation) }
                parent.withArray { _ = $0.remove(at: index) }
            default: throw self.missing(operation)
            }
        }
        return value
    }

    func replace(with value: JSON, in document: inout JSON) throws(APIValueError) {
        guard self.value(in: document) != nil else { throw missing("replace") }
        try change(parentIn: &document, steps[...], operation: "replace") { (target: inout JSON) throws(APIValueError) in target = value }
    }

    /// Runs the closure on the value that the steps lead to, in place.
    private func change(
        parentIn value: inout JSON, _ steps: ArraySlice<String>, operation: String, _ body: (inout JSON) throws(APIValueError) -> Void
    ) throws(APIValueError) {
        guard let step = steps.first else { return try body(&value) }
        switch value {
        case .object(let object):
            guard object[step] != nil else { throw missing(operation) }
            try value.withObject { (members: inout JSONObject) throws(APIValueError) in
                var member = members.removeForUpdate(step)
                defer { members[step] = member }
                try change(parentIn: &member, steps.dropFirst(), operation: operation, body)
            }
        case .array(let elements):
            guard let index = Self.index(step, count: elements.count) else { throw missing(operation) }
            try value.withArray { (elements: inout [JSON]) throws(APIValueError) in
                try change(parentIn: &elements[index], steps.dropFirst(), operation: operation, body)
            }
        default: throw missing(operation)
        }
    }

    /// An index without sign or leading zero, below the count.
    private static func index(_ step: String, count: Int) -> Int? {
        guard step == "0" || !step.hasPrefix("0"), step.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let index = Int(step), index < count else { return nil }
        return index
    }
}
