/// A fixed-point number with a suffix, such as `500m`, `64Mi` or `1e3` (Kubernetes' resource.Quantity).
///
/// Held as a count of nano-units, so that arithmetic and comparison are exact over the whole range that Kubernetes
/// allows: steps of 1n, up to 2^63-1 units.
public struct Quantity: Sendable, Hashable, Comparable {
    /// How the canonical text is written.
    public enum Format: UInt8, Sendable, Hashable {
        /// `k`, `M`, `G`: powers of ten.
        case decimalSI
        /// `Ki`, `Mi`, `Gi`: powers of two.
        case binarySI
        /// `e3`, `e6`.
        case decimalExponent
    }

    /// The value in units of 10^-9.
    let nanos: Int128
    public let format: Format

    static let nanosPerUnit: Int128 = 1_000_000_000
    static let maximum = Int128(Int64.max) * nanosPerUnit

    init(nanos: Int128, format: Format) {
        self.nanos = min(max(nanos, -Self.maximum), Self.maximum)
        self.format = format
    }

    /// A whole number of units.
    public init(_ value: some BinaryInteger, format: Format = .decimalSI) {
        self.init(nanos: Int128(Int64(clamping: value)) * Self.nanosPerUnit, format: format)
    }

    /// Thousandths of a unit, as CPU time is counted.
    public init(milli value: some BinaryInteger, format: Format = .decimalSI) {
        self.init(nanos: Int128(Int64(clamping: value)) * 1_000_000, format: format)
    }

    public static let zero = Quantity(nanos: 0, format: .decimalSI)

    public var isZero: Bool { nanos == 0 }

    /// The value in whole units, rounded up (away from zero), as Kubernetes rounds.
    public var value: Int64 { scaled(by: Self.nanosPerUnit) }

    /// The value in thousandths, rounded up (away from zero).
    public var milliValue: Int64 { scaled(by: 1_000_000) }

    /// The value as the nearest double.
    public var doubleValue: Double { Double(nanos) / 1e9 }

    private func scaled(by unit: Int128) -> Int64 { Int64(clamping: Self.dividedRoundingUp(nanos, by: unit)) }

    static func dividedRoundingUp(_ value: Int128, by divisor: Int128) -> Int128 {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder == 0 ? quotient : quotient + value.signum()
    }

    /// Equal values are equal, however they are written.
    public static func == (left: Quantity, right: Quantity) -> Bool { left.nanos == right.nanos }
    public func hash(into hasher: inout Hasher) { hasher.combine(nanos) }
    public static func < (left: Quantity, right: Quantity) -> Bool { left.nanos < right.nanos }

    /// The sum; it keeps the format of the left operand, or of the right if the left is zero.
    public static func + (left: Quantity, right: Quantity) -> Quantity {
        Quantity(nanos: left.nanos + right.nanos, format: left.isZero ? right.format : left.format)
    }

    public static func - (left: Quantity, right: Quantity) -> Quantity {
        Quantity(nanos: left.nanos - right.nanos, format: left.isZero ? right.format : left.format)
    }

    public static prefix func - (value: Quantity) -> Quantity { Quantity(nanos: -value.nanos, format: value.format) }
    public static func += (left: inout Quantity, right: Quantity) { left = left + right }
    public static func -= (left: inout Quantity, right: Quantity) { left = left - right }
}
