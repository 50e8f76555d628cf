internal import JSONTree
internal import KubeAPI

/// Reads bodies of `application/vnd.kubernetes.protobuf`, which `kubectl create` and clients written in Go send. Answers are
/// JSON always: those clients accept it.
///
/// The body is `k8s\0` and a `runtime.Unknown`: the type, and the object's message. Messages are read by the field numbers of
/// the schemas (`x-swiftlet-protobuf`), so every kind is covered and the result goes the way of any JSON body. Go writes every
/// field that is no pointer, set or not; those that say nothing are dropped on that way (`ObjectDecoder`).
struct ProtobufBody {
    static let mediaType = "application/vnd.kubernetes.protobuf"
    private static let magic: [UInt8] = [0x6b, 0x38, 0x73, 0x00]
    /// Messages nest as deep as the schemas do; this bounds the stack whatever they are.
    private static let maximumDepth = 64

    /// - Parameter schema: finds the schema of a kind.
    static func decode(_ bytes: [UInt8], schema: (_ apiVersion: String, _ kind: String) -> Schema?) throws(StatusError) -> JSON {
        guard bytes.starts(with: magic) else { throw .badRequest("the body is not Kubernetes protobuf: expected it to begin with k8s\\0") }
        var apiVersion = ""
        var kind = ""
        var raw: ArraySlice<UInt8> = []
        var reader = ProtobufReader(bytes[magic.count...])
        while let (number, value) = try reader.next() {
            guard case .bytes(let content) = value else { continue }
            if number == 1 {
                var type = ProtobufReader(content)
                while let (number, value) = try type.next() {
                    guard case .bytes(let text) = value else { continue }
                    if number == 1 { apiVersion = String(decoding: text, as: UTF8.self) }
                    if number == 2 { kind = String(decoding: text, as: UTF8.self) }
                }
            } else if number == 2 {
                raw = content
            }
        }
        guard let schema = schema(apiVersion, kind) else { throw .badRequest("no kind \"\(kind)\" is registered for version \"\(apiVersion)\"") }
        var object = JSONObject()
        object["apiVersion"] = .string(apiVersion)
        object["kind"] = .string(kind)
        try read(raw, Self.fields(of: schema), into: &object, depth: 0)
        return .object(object)
    }

    /// A property and the way to it: more than one number where JSON leaves out a nested message.
    private struct Field {
        let path: ArraySlice<Int>
        let property: Schema.Property
    }

    private static func fields(of schema: Schema) -> [Field] {
        schema.properties.compactMap { property in
            guard let tag = property.schema.protobufTag else { return nil }
            return Field(path: tag.split(separator: ".").compactMap { Int($0) }[...], property: property)
        }
    }

    private static func read(_ bytes: ArraySlice<UInt8>, _ fields: [Field], into object: inout JSONObject, depth: Int) throws(StatusError) {
        guard depth < maximumDepth else { throw .badRequest("the body's messages are nested deeper than \(maximumDepth)") }
        var reader = ProtobufReader(bytes)
        while let (number, value) = try reader.next() {
            let candidates = fields.filter { $0.path.first == number }
            if let field = candidates.first(where: { $0.path.count == 1 }) {
                try add(value, field.property, to: &object, depth: depth)
            } else if !candidates.isEmpty, case .bytes(let content) = value {
                let inner = candidates.map { Field(path: $0.path.dropFirst(), property: $0.property) }
                try read(content, inner, into: &object, depth: depth + 1)
            }
        }
    }

    private static func add(
        _ value: ProtobufReader.Value, _ property: Schema.Property, to object: inout JSONObject, depth: Int
    ) throws(StatusError) {
        let (name, schema) = (property.name, property.schema)
        if schema.type == .array, let items = schema.items {
            guard let element = try json(value, items, depth: depth) else { return }
            if object[name]?.array == nil { object[name] = [] }
            object[name]?.withArray { $0.append(element) }
        } else if let values = schema.additionalProperties {
            guard case .bytes(let entry) = value else { return }
            if object[name]?.object == nil { object[name] = [:] }
            let (key, element) = try mapEntry(entry, values, depth: depth)
            object[name]?[key] = element
        } else if let json = try json(value, schema, depth: depth) {
            object[name] = json
        }
    }

    private static func mapEntry(_ entry: ArraySlice<UInt8>, _ values: Schema, depth: Int) throws(StatusError) -> (String, JSON) {
        var key = ""
        var element: JSON = values.type == .string ? "" : values.type == .object ? [:] : .null
        var reader = ProtobufReader(entry)
        while let (number, value) = try reader.next() {
            if number == 1, case .bytes(let text) = value { key = String(decoding: text, as: UTF8.self) }
            if number == 2, let json = try json(value, values, depth: depth) { element = json }
        }
        return (key, element)
    }

    // MARK: values

    private static func json(_ value: ProtobufReader.Value, _ schema: Schema, depth: Int) throws(StatusError) -> JSON? {
        if schema.isIntOrString {
            guard case .bytes(let content) = value else { return nil }
            return try intOrString(content)
        }
        switch (schema.type, value) {
        case (.boolean, .varint(let bits)): return .bool(bits != 0)
        case (.integer, .varint(let bits)): return JSON(Int64(bitPattern: bits))
        case (.number, .fixed64(let bits)): return JSON(Double(bitPattern: bits))
        case (.string, .bytes(let content)): return try string(content, schema)
        case (.object, .bytes(let content)):
            if schema.properties.isEmpty, schema.additionalProperties == nil { return try raw(content) }
            var object = JSONObject()
            try read(content, fields(of: schema), into: &object, depth: depth + 1)
            return .object(object)
        default: return nil
        }
    }

    /// Objects of any kind (`RawExtension`, `FieldsV1`) are a message whose only field holds JSON.
    private static func raw(_ content: ArraySlice<UInt8>) throws(StatusError) -> JSON? {
        var reader = ProtobufReader(content)
        while let (number, value) = try reader.next() {
            guard number == 1, case .bytes(let text) = value, !text.isEmpty else { continue }
            return try RequestBodies.parse(Array(text)).0
        }
        return [:]
    }

    private static func string(_ content: ArraySlice<UInt8>, _ schema: Schema) throws(StatusError) -> JSON? {
        switch schema.format {
        case "byte": return .string(Base64.encode(content))
        case "quantity":
            // A message with the text as its only field.
            var reader = ProtobufReader(content)
            while let (number, value) = try reader.next() {
                if number == 1, case .bytes(let text) = value { return .string(String(decoding: text, as: UTF8.self)) }
            }
            return nil
        case "date-time", "micro-time": return try time(content, decimals: schema.format == "micro-time" ? 6 : 0)
        default: return .string(String(decoding: content, as: UTF8.self))
        }
    }

    /// Seconds and nanoseconds; an empty message is no time.
    private static func time(_ content: ArraySlice<UInt8>, decimals: Int) throws(StatusError) -> JSON? {
        guard !content.isEmpty else { return nil }
        var seconds: Int64 = 0
        var nanoseconds: Int64 = 0
        var reader = ProtobufReader(content)
        while let (number, value) = try reader.next() {
            guard case .varint(let bits) = value else { continue }
            if number == 1 { seconds = Int64(bitPattern: bits) }
            if number == 2 { nanoseconds = Int64(bitPattern: bits) }
        }
        // The years 1 to 9999, which are all that the text form has.
        guard (-62_135_596_800..<253_402_300_800).contains(seconds), (0..<1_000_000_000).contains(nanoseconds) else {
            throw .badRequest("a time is out of range: \(seconds) seconds")
        }
        return .string(Time(seconds: seconds, nanoseconds: Int32(nanoseconds)).text(decimals: decimals))
    }

    private static func intOrString(_ content: ArraySlice<UInt8>) throws(StatusError) -> JSON {
        var isText = false
        var number: Int64 = 0
        var text = ""
        var reader = ProtobufReader(content)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .varint(let bits)): isText = bits == 1
            case (2, .varint(let bits)): number = Int64(bitPattern: bits)
            case (3, .bytes(let bytes)): text = String(decoding: bytes, as: UTF8.self)
            default: break
            }
        }
        return isText ? .string(text) : JSON(number)
    }
}

/// Reads the fields of one protobuf message.
struct ProtobufReader {
    enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        case fixed32(UInt32)
        case bytes(ArraySlice<UInt8>)
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The next field, nil at the end.
    mutating func next() throws(StatusError) -> (number: Int, value: Value)? {
        guard !rest.isEmpty else { return nil }
        let key = try varint()
        guard let number = Int(exactly: key >> 3), number > 0 else { throw Self.malformed }
        switch key & 7 {
        case 0: return (number, .varint(try varint()))
        case 1: return (number, .fixed64(try fixed(8)))
        case 2:
            guard let count = Int(exactly: try varint()) else { throw Self.malformed }
            return (number, .bytes(try take(count)))
        case 5: return (number, .fixed32(UInt32(truncatingIfNeeded: try fixed(4))))
        default: throw Self.malformed
        }
    }

    private mutating func varint() throws(StatusError) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 64, by: 7) {
            guard let byte = rest.popFirst() else { throw Self.malformed }
            value |= UInt64(byte & 0x7f) << UInt64(shift)
            if byte & 0x80 == 0 { return value }
        }
        throw Self.malformed
    }

    private mutating func fixed(_ count: Int) throws(StatusError) -> UInt64 {
        try take(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private mutating func take(_ count: Int) throws(StatusError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= rest.count else { throw Self.malformed }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    private static let malformed = StatusError.badRequest("the body is malformed protobuf")
}
