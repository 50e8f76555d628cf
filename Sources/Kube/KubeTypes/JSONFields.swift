import JSONTree
import KubeAPI

/// The members of a JSON object, read by type. The methods are few and not specialised, so that hundreds of generated
/// readers stay small.
struct JSONFields {
    let object: JSONObject

    init(_ json: JSON) throws(JSONError) {
        guard case .object(let object) = json else { throw .wrongType(expected: "object", found: json) }
        self.object = object
    }

    /// A member that is there and not null.
    func member(_ key: String) -> JSON? {
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    private func read<T>(_ key: String, _ convert: (JSON) throws(JSONError) -> T) throws(JSONError) -> T? {
        guard let value = member(key) else { return nil }
        do { return try convert(value) } catch { throw error.inside(key) }
    }

    private func readList<T>(_ key: String, _ convert: (JSON) throws(JSONError) -> T) throws(JSONError) -> [T] {
        guard let value = member(key) else { return [] }
        guard case .array(let elements) = value else { throw JSONError.wrongType(expected: "array", found: value).inside(key) }
        var list: [T] = []
        list.reserveCapacity(elements.count)
        for (index, element) in elements.enumerated() {
            do { list.append(try convert(element)) } catch { throw error.inside(index).inside(key) }
        }
        return list
    }

    private func readMap<T>(_ key: String, _ convert: (JSON) throws(JSONError) -> T) throws(JSONError) -> [String: T] {
        guard let value = member(key) else { return [:] }
        guard case .object(let members) = value else { throw JSONError.wrongType(expected: "object", found: value).inside(key) }
        var map: [String: T] = [:]
        map.reserveCapacity(members.count)
        for (name, member) in members {
            do { map[name] = try convert(member) } catch { throw error.inside(name).inside(key) }
        }
        return map
    }

    func string(_ key: String) throws(JSONError) -> String? { try read(key, Convert.string) }
    func bool(_ key: String) throws(JSONError) -> Bool? { try read(key, Convert.bool) }
    func int(_ key: String) throws(JSONError) -> Int? { try read(key, Convert.int) }
    func double(_ key: String) throws(JSONError) -> Double? { try read(key, Convert.double) }
    func bytes(_ key: String) throws(JSONError) -> [UInt8]? { try read(key, Convert.bytes) }
    func time(_ key: String) throws(JSONError) -> Time? { try read(key, Convert.time) }
    func microTime(_ key: String) throws(JSONError) -> MicroTime? { try read(key, Convert.microTime) }
    func quantity(_ key: String) throws(JSONError) -> Quantity? { try read(key, Convert.quantity) }
    func intOrString(_ key: String) throws(JSONError) -> IntOrString? { try read(key, IntOrString.init(json:)) }
    func json(_ key: String) -> JSON? { member(key) }
    func value<T: KubeValue>(_ key: String) throws(JSONError) -> T? { try read(key, T.init(json:)) }
    func box<T: KubeValue>(_ key: String) throws(JSONError) -> Box<T>? {
        try read(key) { (json: JSON) throws(JSONError) in Box(try T(json: json)) }
    }

    func strings(_ key: String) throws(JSONError) -> [String] { try readList(key, Convert.string) }
    func ints(_ key: String) throws(JSONError) -> [Int] { try readList(key, Convert.int) }
    func jsons(_ key: String) throws(JSONError) -> [JSON] { try readList(key) { $0 } }
    func values<T: KubeValue>(_ key: String) throws(JSONError) -> [T] { try readList(key, T.init(json:)) }

    func stringMap(_ key: String) throws(JSONError) -> [String: String] { try readMap(key, Convert.string) }
    func stringsMap(_ key: String) throws(JSONError) -> [String: [String]] {
        try readMap(key) { (json: JSON) throws(JSONError) in
            guard case .array(let elements) = json else { throw .wrongType(expected: "array", found: json) }
            var strings: [String] = []
            for element in elements { strings.append(try Convert.string(element)) }
            return strings
        }
    }
    func bytesMap(_ key: String) throws(JSONError) -> [String: [UInt8]] { try readMap(key, Convert.bytes) }
    func quantityMap(_ key: String) throws(JSONError) -> [String: Quantity] { try readMap(key, Convert.quantity) }
}

/// From JSON values to Swift's.
private enum Convert {
    static func string(_ json: JSON) throws(JSONError) -> String {
        guard case .string(let value) = json else { throw .wrongType(expected: "string", found: json) }
        return value
    }

    static func bool(_ json: JSON) throws(JSONError) -> Bool {
        guard case .bool(let value) = json else { throw .wrongType(expected: "bool", found: json) }
        return value
    }

    static func int(_ json: JSON) throws(JSONError) -> Int {
        guard case .number(let number) = json else { throw .wrongType(expected: "integer", found: json) }
        guard let value = number.int64 else { throw JSONError(.invalidValue, "expected a 64-bit integer, found \(number.text)") }
        return Int(value)
    }

    static func double(_ json: JSON) throws(JSONError) -> Double {
        guard case .number(let number) = json else { throw .wrongType(expected: "number", found: json) }
        return number.double
    }

    static func bytes(_ json: JSON) throws(JSONError) -> [UInt8] {
        let text = try string(json)
        do { return try Base64.decode(text) } catch { throw JSONError(.invalidValue, error.message) }
    }

    static func time(_ json: JSON) throws(JSONError) -> Time {
        let text = try string(json)
        do { return try Time(text) } catch { throw JSONError(.invalidValue, error.message) }
    }

    static func microTime(_ json: JSON) throws(JSONError) -> MicroTime { MicroTime(try time(json)) }

    static func quantity(_ json: JSON) throws(JSONError) -> Quantity {
        let text: String
        if case .number(let number) = json { text = number.text } else { text = try string(json) }
        do { return try Quantity(text) } catch { throw JSONError(.invalidValue, error.message) }
    }
}
