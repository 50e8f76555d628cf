/// A recursive-descent parser over bytes in memory. Messages are those of Go's decoder, which Kubernetes users know.
struct JSONParser {
    private let base: UnsafeBufferPointer<UInt8>
    private let limits: JSONLimits
    private var position = 0
    private var depth = 0
    /// Paths of the keys that came twice.
    private(set) var duplicates: [String] = []

    init(_ bytes: UnsafeBufferPointer<UInt8>, limits: JSONLimits) {
        base = bytes
        self.limits = limits
    }

    var atEnd: Bool { position == base.count }

    mutating func parseDocument() throws(JSONError) -> JSON {
        let value = try parseValue()
        skipSpace()
        if !atEnd { throw unexpected("after top-level value") }
        return value
    }

    private mutating func skipSpace() {
        while position < base.count {
            switch base[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    private mutating func parseValue() throws(JSONError) -> JSON {
        skipSpace()
        guard position < base.count else { throw truncated() }
        switch base[position] {
        case UInt8(ascii: "{"): return try parseObject()
        case UInt8(ascii: "["): return try parseArray()
        case UInt8(ascii: "\""):
            position += 1
            return .string(try parseString())
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try parseNumber()
        case UInt8(ascii: "t"):
            try expect("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try expect("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try expect("null")
            return .null
        default: throw unexpected("looking for beginning of value")
        }
    }

    private mutating func parseObject() throws(JSONError) -> JSON {
        try enter()
        defer { depth -= 1 }
        position += 1
        var object = JSONObject()
        skipSpace()
        if peek() == UInt8(ascii: "}") {
            position += 1
            return .object(object)
        }
        while true {
            skipSpace()
            guard let quote = peek() else { throw truncated() }
            guard quote == UInt8(ascii: "\"") else { throw unexpected("looking for beginning of object key string") }
            position += 1
            let keyOffset = position
            let key = try parseString()
            skipSpace()
            guard let colon = peek() else { throw truncated() }
            guard colon == UInt8(ascii: ":") else { throw unexpected("after object key") }
            position += 1
            let reported = duplicates.count
            let value = try parseValue()
            if duplicates.count > reported { prefixDuplicates(from: reported, with: key) }
            try add(key, value, to: &object, at: keyOffset)
            skipSpace()
            guard let next = peek() else { throw truncated() }
            if next == UInt8(ascii: ",") {
                position += 1
            } else if next == UInt8(ascii: "}") {
                position += 1
                return .object(object)
            } else {
                throw unexpected("after object key:value pair")
            }
        }
    }

    @inline(__always)
    private mutating func add(_ key: String, _ value: JSON, to object: inout JSONObject, at offset: Int) throws(JSONError) {
        guard object.contains(key) else { return object.append(key: key, value: value) }
        switch limits.duplicateKeys {
        case .refuse: throw JSONError(.duplicateKey, "duplicate field \"\(key)\"", offset: offset)
        case .keepLast:
            duplicates.append(key)
            object[key] = value
        }
    }

    /// Paths are built while the recursion unwinds, so that texts without duplicates pay nothing for them.
    private mutating func prefixDuplicates(from start: Int, with step: String) {
        for index in start..<duplicates.count {
            let separator = duplicates[index].hasPrefix("[") ? "" : "."
            duplicates[index] = step + separator + duplicates[index]
        }
    }

    private mutating func parseArray() throws(JSONError) -> JSON {
        try enter()
        defer { depth -= 1 }
        position += 1
        var elements: [JSON] = []
        skipSpace()
        if peek() == UInt8(ascii: "]") {
            position += 1
            return .array(elements)
        }
        while true {
            let reported = duplicates.count
            let value = try parseValue()
            if duplicates.count > reported { prefixDuplicates(from: reported, with: "[\(elements.count)]") }
            elements.append(value)
            skipSpace()
            guard let next = peek() else { throw truncated() }
            if next == UInt8(ascii: ",") {
                position += 1
            } else if next == UInt8(ascii: "]") {
                position += 1
                return .array(elements)
            } else {
                throw unexpected("after array element")
            }
        }
    }

    /// Parses a number at the current position: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`.
    mutating func parseNumber() throws(JSONError) -> JSON {
        let start = position
        if peek() == UInt8(ascii: "-") { position += 1 }
        if peek() == UInt8(ascii: "0") {
            position += 1
        } else {
            try skipDigits("in numeric literal")
        }
        if peek() == UInt8(ascii: ".") {
            position += 1
            try skipDigits("after decimal point in numeric literal")
        }
        if let exponent = peek(), exponent | 0x20 == UInt8(ascii: "e") {
            position += 1
            if let sign = peek(), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { position += 1 }
            try skipDigits("in exponent of numeric literal")
        }
        return .number(JSONNumber(checked: String(decoding: base[start..<position], as: UTF8.self)))
    }

    private mutating func skipDigits(_ context: StaticString) throws(JSONError) {
        let start = position
        while position < base.count, base[position] &- UInt8(ascii: "0") < 10 { position += 1 }
        if position == start { throw atEnd ? truncated() : unexpected(context) }
    }

    private mutating func expect(_ literal: StaticString) throws(JSONError) {
        for index in 0..<literal.utf8CodeUnitCount {
            guard let byte = peek() else { throw truncated() }
            guard byte == literal.utf8Start[index] else { throw unexpected("in literal \(literal)") }
            position += 1
        }
    }

    private mutating func enter() throws(JSONError) {
        depth += 1
        if depth > limits.maxDepth {
            throw JSONError(.tooDeep, "expected at most \(limits.maxDepth) nested arrays and objects", offset: position)
        }
    }

    @inline(__always)
    private func peek() -> UInt8? { position < base.count ? base[position] : nil }
}

// MARK: - Strings

extension JSONParser {
    /// Parses the rest of a string whose opening quote has been read.
    private mutating func parseString() throws(JSONError) -> String {
        let start = position
        position = JSONScan.endOfPlainText(base, from: position)
        guard position < base.count else { throw truncated() }
        if base[position] == UInt8(ascii: "\"") {
            let text = try text(start..<position)
            position += 1
            return text
        }
        return try parseEscapedString(from: start)
    }

    private func text(_ range: Range<Int>) throws(JSONError) -> String {
        let bytes = UnsafeBufferPointer(rebasing: base[range])
        // Plain ASCII needs no second look.
        if JSONScan.isASCII(bytes) { return String(decoding: bytes, as: UTF8.self) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw JSONError(.invalidUnicode, "expected UTF-8 in string, found other bytes", offset: range.lowerBound)
        }
        return text
    }

    private mutating func parseEscapedString(from start: Int) throws(JSONError) -> String {
        var bytes = Array(base[start..<position])
        while true {
            guard let byte = peek() else { throw truncated() }
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                guard let text = String(validating: bytes, as: UTF8.self) else {
                    throw JSONError(.invalidUnicode, "expected UTF-8 in string, found other bytes", offset: start)
                }
                return text
            case UInt8(ascii: "\\"):
                position += 1
                try parseEscape(into: &bytes)
            case 0..<0x20: throw unexpected("in string literal")
            default:
                let end = JSONScan.endOfPlainText(base, from: position)
                bytes.append(contentsOf: base[position..<end])
                position = end
            }
        }
    }

    private mutating func parseEscape(into bytes: inout [UInt8]) throws(JSONError) {
        guard let byte = peek() else { throw truncated() }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(byte)
        case UInt8(ascii: "b"): bytes.append(0x08)
        case UInt8(ascii: "f"): bytes.append(0x0C)
        case UInt8(ascii: "n"): bytes.append(0x0A)
        case UInt8(ascii: "r"): bytes.append(0x0D)
        case UInt8(ascii: "t"): bytes.append(0x09)
        case UInt8(ascii: "u"):
            let offset = position - 2
            var scalar = UInt32(try parseHex4())
            if 0xD800..<0xDC00 ~= scalar, peek() == UInt8(ascii: "\\"), position + 1 < base.count, base[position + 1] == UInt8(ascii: "u") {
                position += 2
                let low = UInt32(try parseHex4())
                if 0xDC00..<0xE000 ~= low { scalar = 0x10000 + (scalar - 0xD800) << 10 + (low - 0xDC00) }
            }
            guard let scalar = Unicode.Scalar(scalar) else {
                throw JSONError(.invalidUnicode, "expected a surrogate pair, found half of one", offset: offset)
            }
            bytes.append(contentsOf: String(scalar).utf8)
        default:
            position -= 1
            throw unexpected("in string escape code")
        }
    }

    private mutating func parseHex4() throws(JSONError) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = peek() else { throw truncated() }
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: throw unexpected("in \\u hexadecimal character escape")
            }
            value = value << 4 | UInt16(digit)
            position += 1
        }
        return value
    }

    // MARK: Errors

    private func truncated() -> JSONError {
        JSONError(.truncated, "unexpected end of JSON input", offset: base.count)
    }

    private func unexpected(_ context: StaticString) -> JSONError { unexpected("\(context)") }

    private func unexpected(_ context: String) -> JSONError {
        guard position < base.count else { return truncated() }
        let byte = base[position]
        let shown: String
        switch byte {
        case 0x20..<0x7F: shown = "'" + String(UnicodeScalar(byte)) + "'"
        case 0x0A: shown = "'\\n'"
        case 0x09: shown = "'\\t'"
        case 0x0D: shown = "'\\r'"
        default: shown = "0x" + String(byte, radix: 16)
        }
        return JSONError(.syntax, "invalid character \(shown) \(context)", offset: position)
    }
}
