import JSONTree
import KubeAPI

/// Members set by type, for the generated writers. What is nil or empty is left out.
extension JSONObject {
    mutating func putString(_ key: String, _ value: String?) {
        if let value { append(key: key, value: .string(value)) }
    }

    mutating func putBool(_ key: String, _ value: Bool?) {
        if let value { append(key: key, value: .bool(value)) }
    }

    mutating func putInt(_ key: String, _ value: Int?) {
        if let value { append(key: key, value: JSON(value)) }
    }

    mutating func putDouble(_ key: String, _ value: Double?) {
        if let value { append(key: key, value: JSON(value)) }
    }

    mutating func putBytes(_ key: String, _ value: [UInt8]?) {
        if let value { append(key: key, value: .string(Base64.encode(value))) }
    }

    mutating func putTime(_ key: String, _ value: Time?) {
        if let value { append(key: key, value: .string(value.description)) }
    }

    mutating func putMicroTime(_ key: String, _ value: MicroTime?) {
        if let value { append(key: key, value: .string(value.description)) }
    }

    mutating func putQuantity(_ key: String, _ value: Quantity?) {
        if let value { append(key: key, value: .string(value.description)) }
    }

    mutating func putIntOrString(_ key: String, _ value: IntOrString?) {
        if let value { append(key: key, value: value.json) }
    }

    mutating func putJSON(_ key: String, _ value: JSON?) {
        if let value { append(key: key, value: value) }
    }

    mutating func putValue(_ key: String, _ value: (some KubeValue)?) {
        if let value { append(key: key, value: value.json) }
    }

    mutating func putBox<Value: KubeValue>(_ key: String, _ box: Box<Value>?) {
        if let box { append(key: key, value: box.value.json) }
    }

    mutating func putStrings(_ key: String, _ values: [String], always: Bool = false) {
        if always || !values.isEmpty { append(key: key, value: JSON(values)) }
    }

    mutating func putInts(_ key: String, _ values: [Int], always: Bool = false) {
        if always || !values.isEmpty { append(key: key, value: .array(values.map { JSON($0) })) }
    }

    mutating func putJSONs(_ key: String, _ values: [JSON], always: Bool = false) {
        if always || !values.isEmpty { append(key: key, value: .array(values)) }
    }

    mutating func putValues(_ key: String, _ values: [some KubeValue], always: Bool = false) {
        if always || !values.isEmpty { append(key: key, value: .array(values.map(\.json))) }
    }

    mutating func putStringMap(_ key: String, _ values: [String: String]) {
        putMap(key, values) { .string($0) }
    }

    mutating func putStringsMap(_ key: String, _ values: [String: [String]]) {
        putMap(key, values) { JSON($0) }
    }

    mutating func putBytesMap(_ key: String, _ values: [String: [UInt8]]) {
        putMap(key, values) { .string(Base64.encode($0)) }
    }

    mutating func putQuantityMap(_ key: String, _ values: [String: Quantity]) {
        putMap(key, values) { .string($0.description) }
    }

    /// Maps are written in the order of their keys, so that equal values have equal bytes.
    private mutating func putMap<Value>(_ key: String, _ values: [String: Value], _ convert: (Value) -> JSON) {
        if values.isEmpty { return }
        var object = JSONObject()
        object.reserveCapacity(values.count)
        for (name, value) in values.sorted(by: { $0.key < $1.key }) { object.append(key: name, value: convert(value)) }
        append(key: key, value: .object(object))
    }
}
