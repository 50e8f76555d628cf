import JSONTree

/// Reads one object of a state file. An absent field is its default, so that a newer agent reads what an older one wrote;
/// a field of the wrong type is an error, since a state file is never written by hand.
struct RecordReader {
    let object: JSONObject
    let what: String

    init(_ json: JSON, _ what: String) throws(RuntimeError) {
        guard let object = json.object else { throw RuntimeError(.wrongState, "\(what): expected an object, found \(json.typeName)") }
        self.object = object
        self.what = what
    }

    private func wrong(_ key: String, _ expected: String) -> RuntimeError {
        RuntimeError(.wrongState, "\(what).\(key): expected \(expected), found \(object[key]?.typeName ?? "nothing")")
    }

    private func value(_ key: String) -> JSON? {
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    func string(_ key: String) throws(RuntimeError) -> String {
        guard let value = value(key) else { return "" }
        guard let string = value.string else { throw wrong(key, "a string") }
        return string
    }

    func bool(_ key: String, default absent: Bool = false) throws(RuntimeError) -> Bool {
        guard let value = value(key) else { return absent }
        guard let bool = value.bool else { throw wrong(key, "true or false") }
        return bool
    }

    func optionalInteger<I: FixedWidthInteger>(_ key: String, as type: I.Type = I.self) throws(RuntimeError) -> I? {
        guard let value = value(key) else { return nil }
        guard let number = value.int, let integer = I(exactly: number) else { throw wrong(key, "an integer of \(I.bitWidth) bits") }
        return integer
    }

    func integer<I: FixedWidthInteger>(_ key: String, as type: I.Type = I.self) throws(RuntimeError) -> I {
        try optionalInteger(key) ?? 0
    }

    func optionalStrings(_ key: String) throws(RuntimeError) -> [String]? {
        guard let value = value(key) else { return nil }
        guard let array = value.array else { throw wrong(key, "an array") }
        var result: [String] = []
        for element in array {
            guard let string = element.string else { throw wrong(key, "strings") }
            result.append(string)
        }
        return result
    }

    func strings(_ key: String) throws(RuntimeError) -> [String] { try optionalStrings(key) ?? [] }

    func map(_ key: String) throws(RuntimeError) -> [String: String] {
        guard let value = value(key) else { return [:] }
        guard let members = value.object else { throw wrong(key, "an object") }
        var result: [String: String] = [:]
        for (name, member) in members {
            guard let string = member.string else { throw wrong(key, "strings") }
            result[name] = string
        }
        return result
    }

    func objects<T>(_ key: String, _ body: (RecordReader) throws(RuntimeError) -> T) throws(RuntimeError) -> [T] {
        guard let value = value(key) else { return [] }
        guard let array = value.array else { throw wrong(key, "an array") }
        var result: [T] = []
        for (index, element) in array.enumerated() { result.append(try body(RecordReader(element, "\(what).\(key)[\(index)]"))) }
        return result
    }

    func object<T>(_ key: String, _ body: (RecordReader) throws(RuntimeError) -> T) throws(RuntimeError) -> T? {
        guard let value = value(key) else { return nil }
        return try body(RecordReader(value, "\(what).\(key)"))
    }

    func choice<C: RawRepresentable>(_ key: String, _ type: C.Type = C.self) throws(RuntimeError) -> C where C.RawValue == String {
        guard let choice = C(rawValue: try string(key)) else { throw wrong(key, "a known word (\"\(try string(key))\" is none)") }
        return choice
    }
}

/// Builds an object, leaving out what is absent.
struct RecordWriter {
    private(set) var object = JSONObject()

    mutating func set(_ key: String, _ value: String) { if !value.isEmpty { object[key] = .string(value) } }
    mutating func set(_ key: String, _ value: Bool) { object[key] = .bool(value) }
    mutating func set(_ key: String, _ value: (some FixedWidthInteger)?) { if let value { object[key] = .number(JSONNumber(Int64(value))) } }
    mutating func set(_ key: String, _ value: [String]?) { if let value { object[key] = .array(value.map { .string($0) }) } }
    mutating func set(_ key: String, _ value: [String: String]) {
        guard !value.isEmpty else { return }
        // Sorted: the same configuration is the same bytes.
        object[key] = .object(JSONObject(value.sorted { $0.key < $1.key }.map { ($0.key, JSON.string($0.value)) }))
    }
    mutating func set(_ key: String, _ value: JSON?) { if let value { object[key] = value } }

    var json: JSON { .object(object) }
}
