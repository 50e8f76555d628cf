extension Quantity: CustomStringConvertible {
    /// Kubernetes' own words for what is no quantity.
    public static let syntaxMessage =
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

    /// Reads `[+-]digits[.digits][suffix]`; a suffix is one of `n u m k M G T P E Ki Mi Gi Ti Pi Ei` or `e`/`E` with an
    /// exponent. What is finer than 1n is rounded up, what is larger than 2^63-1 is capped.
    public init(_ text: String) throws(APIValueError) {
        var bytes = Array(text.utf8)[...]
        var negative = false
        if let sign = bytes.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
            negative = sign == UInt8(ascii: "-")
            bytes = bytes.dropFirst()
        }
        let whole = Self.takeDigits(&bytes)
        var fraction: ArraySlice<UInt8> = []
        if bytes.first == UInt8(ascii: ".") {
            bytes = bytes.dropFirst()
            fraction = Self.takeDigits(&bytes)
        }
        guard !whole.isEmpty || !fraction.isEmpty, let suffix = Self.suffix(String(decoding: bytes, as: UTF8.self)) else {
            throw APIValueError(.quantity, Self.syntaxMessage)
        }
        let nanos = Self.nanos(digits: whole + fraction, decimals: fraction.count, suffix: suffix)
        self.init(nanos: negative ? -nanos : nanos, format: suffix.format)
    }

    private static func takeDigits(_ bytes: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let digits = bytes.prefix { 0x30...0x39 ~= $0 }
        bytes = bytes.dropFirst(digits.count)
        return digits
    }

    private struct Suffix {
        var format: Format
        var power2 = 0
        var power10 = 0
    }

    private static func suffix(_ text: String) -> Suffix? {
        switch text {
        case "": return Suffix(format: .decimalSI)
        case "n": return Suffix(format: .decimalSI, power10: -9)
        case "u": return Suffix(format: .decimalSI, power10: -6)
        case "m": return Suffix(format: .decimalSI, power10: -3)
        case "k": return Suffix(format: .decimalSI, power10: 3)
        case "M": return Suffix(format: .decimalSI, power10: 6)
        case "G": return Suffix(format: .decimalSI, power10: 9)
        case "T": return Suffix(format: .decimalSI, power10: 12)
        case "P": return Suffix(format: .decimalSI, power10: 15)
        case "E": return Suffix(format: .decimalSI, power10: 18)
        case "Ki": return Suffix(format: .binarySI, power2: 10)
        case "Mi": return Suffix(format: .binarySI, power2: 20)
        case "Gi": return Suffix(format: .binarySI, power2: 30)
        case "Ti": return Suffix(format: .binarySI, power2: 40)
        case "Pi": return Suffix(format: .binarySI, power2: 50)
        case "Ei": return Suffix(format: .binarySI, power2: 60)
        default:
            guard let first = text.first, first == "e" || first == "E", let exponent = Int32(text.dropFirst()) else { return nil }
            return Suffix(format: .decimalExponent, power10: Int(exponent))
        }
    }

    /// The value of the digits, of which the last `decimals` are after the point. Works from the left and stops when
    /// the value is beyond the largest or the digits are below 1n, so that no text of any length overflows.
    private static func nanos(digits: ArraySlice<UInt8>, decimals: Int, suffix: Suffix) -> Int128 {
        let significant = digits.drop { $0 == 0x30 }
        guard !significant.isEmpty else { return 0 }
        let exponent = suffix.power10 - decimals + 9  // the power of ten of the last digit, in nano-units
        let magnitude = significant.count + exponent  // decimal digits of the result before the power of two
        if magnitude > 30 { return maximum }
        if magnitude < -20 { return 1 }
        var value: Int128 = 0
        var rest = false  // whether a digit other than zero was cut off
        let kept = min(significant.count, 37)
        for (index, digit) in significant.enumerated() {
            if index < kept { value = value * 10 + Int128(digit - 0x30) } else if digit != 0x30 { rest = true }
        }
        var power = exponent + significant.count - kept
        // The power of two goes first: 0.5Ki is 512, not 1Ki.
        if suffix.power2 > 0 {
            while power < 0, value % 10 == 0 { (value, power) = (value / 10, power + 1) }
            let (product, overflow) = value.multipliedReportingOverflow(by: Int128(1) << Int128(suffix.power2))
            if overflow { return power < -9 ? nanosOfLongFraction(value, power: power, shift: suffix.power2) : maximum }
            value = product
        }
        while power > 0 {
            if value > maximum { return maximum }
            (value, power) = (value * 10, power - 1)
        }
        while power < 0 {
            if value % 10 != 0 { rest = true }
            (value, power) = (value / 10, power + 1)
        }
        return min(rest ? value + 1 : value, maximum)
    }

    /// A binary suffix after more decimals than the exact product holds: the last digits are dropped first.
    private static func nanosOfLongFraction(_ value: Int128, power: Int, shift: Int) -> Int128 {
        var value = value
        var power = power
        while power < 0, value >= Int128(1) << 66 { (value, power) = (value / 10, power + 1) }
        var product = value * (Int128(1) << Int128(shift))
        while power < 0 { (product, power) = (product / 10, power + 1) }
        return min(product + 1, maximum)
    }

    /// The canonical text: no fraction, the largest suffix without loss (`1500m`, `2k`, `1536Mi`).
    public var description: String {
        if nanos == 0 { return "0" }
        if format == .binarySI, nanos.magnitude >= 1024 * Self.nanosPerUnit.magnitude, nanos % Self.nanosPerUnit == 0 {
            var value = nanos / Self.nanosPerUnit
            var power = 0
            while power < 6, value % 1024 == 0 { (value, power) = (value / 1024, power + 1) }
            return "\(value)" + ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][power]
        }
        var value = nanos
        var exponent = -9
        while exponent < 18, value % 1000 == 0 { (value, exponent) = (value / 1000, exponent + 3) }
        if format == .decimalExponent { return exponent == 0 ? "\(value)" : "\(value)e\(exponent)" }
        return "\(value)" + ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"][exponent / 3 + 3]
    }
}

extension Quantity: ExpressibleByStringLiteral {
    /// A quantity in source code. Text that is none becomes 0; tests of the caller see that.
    public init(stringLiteral value: String) { self = (try? Quantity(value)) ?? .zero }
}
