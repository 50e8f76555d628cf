public import JSONTree

/// A list of operations on a document (RFC 6902).
public struct JSONPatch: Sendable {
    /// As kube-apiserver has it, so that a patch cannot keep a server busy.
    public static let maximumOperations = 10_000

    enum Operation: Sendable {
        case add(JSONPointer, JSON)
        case remove(JSONPointer)
        case replace(JSONPointer, JSON)
        case move(from: JSONPointer, to: JSONPointer)
        case copy(from: JSONPointer, to: JSONPointer)
        case test(JSONPointer, JSON)
    }

    let operations: [Operation]

    public init(_ json: JSON) throws(APIValueError) {
        guard case .array(let list) = json else {
            throw APIValueError(.patch, "expected a JSON patch to be an array of operations, found \(json.typeName)")
        }
        guard list.count <= Self.maximumOperations else {
            throw APIValueError(.patch, "the allowed maximum operations in a JSON patch is \(Self.maximumOperations), got \(list.count)")
        }
        var operations: [Operation] = []
        for (index, item) in list.enumerated() { operations.append(try Self.operation(item, index)) }
        self.operations = operations
    }

    private static func operation(_ json: JSON, _ index: Int) throws(APIValueError) -> Operation {
        func pointer(_ key: String) throws(APIValueError) -> JSONPointer {
            guard let text = json[key]?.string else {
                throw APIValueError(.patch, "expected operation \(index) of the JSON patch to have a \"\(key)\"")
            }
            return try JSONPointer(text)
        }
        func value() throws(APIValueError) -> JSON {
            guard let value = json["value"] else { throw APIValueError(.patch, "expected operation \(index) of the JSON patch to have a \"value\"") }
            return value
        }
        switch json["op"]?.string {
        case "add": return .add(try pointer("path"), try value())
        case "remove": return .remove(try pointer("path"))
        case "replace": return .replace(try pointer("path"), try value())
        case "move": return .move(from: try pointer("from"), to: try pointer("path"))
        case "copy": return .copy(from: try pointer("from"), to: try pointer("path"))
        case "test": return .test(try pointer("path"), try value())
        case let other: throw APIValueError(.patch, "unexpected kind of JSON patch operation: \"\(other ?? "")\"")
        }
    }

    /// Applies all operations, or none if one fails.
    public func apply(to document: JSON) throws(APIValueError) -> JSON {
        var result = document
        for operation in operations {
            switch operation {
            case .add(let path, let value): try path.add(value, to: &result)
            case .remove(let path): _ = try path.remove(from: &result, operation: "remove")
            case .replace(let path, let value): try path.replace(with: value, in: &result)
            case .move(let from, let path):
                guard !path.isInside(from) else {
                    throw APIValueError(.patch, "move operation does not apply: \(path) is inside of \(from)")
                }
                try path.add(try from.remove(from: &result, operation: "move"), to: &result)
            case .copy(let from, let path):
                guard let value = from.value(in: result) else { throw from.missing("copy") }
                try path.add(value, to: &result)
            case .test(let path, let value):
                guard let found = path.value(in: result) else {
                    if value.isNull { continue }
                    throw path.missing("test")
                }
                guard found.isEqualAsPatchTest(to: value) else {
                    throw APIValueError(.patch, "testing value \(path) failed: expected \(value), found \(found)")
                }
            }
        }
        return result
    }
}

extension JSON {
    /// Equality as RFC 6902 section 4.6 has it: numbers by value.
    fileprivate func isEqualAsPatchTest(to other: JSON) -> Bool {
        switch (self, other) {
        case (.number(let left), .number(let right)): left.isNumericallyEqual(to: right)
        case (.array(let left), .array(let right)):
            left.count == right.count && zip(left, right).allSatisfy { $0.isEqualAsPatchTest(to: $1) }
        case (.object(let left), .object(let right)):
            left.count == right.count && left.allSatisfy { key, value in right[key].map(value.isEqualAsPatchTest) ?? false }
        default: self == other
        }
    }
}
