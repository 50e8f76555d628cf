/// A JSON number, kept as it was written: no digit is lost between reading and writing.
public struct JSONNumber: Sendable, Hashable {
    /// The number as JSON text.
    public let text: String

    /// Text that the parser has checked.
    init(checked text: String) { self.text = text }

    /// A number from its JSON text; nil if the text is no JSON number.
    public init?(text: String) {
        var copy = text
        let number: JSONNumber? = copy.withUTF8 { buffer in
            var parser = JSONParser(buffer, limits: .default)
            guard case .number(let number)? = try? parser.parseNumber(), parser.atEnd else { return nil }
            return number
        }
        guard let number else { return nil }
        self = number
    }

    public init(_ value: some BinaryInteger) { text = String(value) }

    /// A number from a double, in the shortest text that reads back as the same double. JSON has no infinities and no
    /// NaN: they are written as `null`, as ECMAScript does.
    public init(_ value: Double) {
        if !value.isFinite {
            text = "null"
        } else if value == value.rounded(), abs(value) < 1e15 {
            text = String(Int64(value))
        } else {
            text = value.description
        }
    }

    /// The value, if it is written as an integer (no fraction, no exponent) and fits.
    public var int64: Int64? { Int64(text) }

    /// The nearest double.
    public var double: Double { Double(text) ?? .nan }

    /// Whether both stand for the same value, however they are written (`1`, `1.0` and `1e0` do).
    public func isNumericallyEqual(to other: JSONNumber) -> Bool {
        if text == other.text { return true }
        if let left = int64, let right = other.int64 { return left == right }
        return double == other.double
    }
}
