extension Time: CustomStringConvertible {
    /// RFC 3339 in UTC with whole seconds, such as `2026-01-02T03:04:05Z`.
    public var description: String { text(decimals: 0) }

    /// RFC 3339 in UTC with a fixed number of decimals, 0 to 9.
    public func text(decimals: Int) -> String {
        let (day, second) = Self.floorDivided(seconds, by: 86400)
        let (year, month, dayOfMonth) = Self.date(fromDay: day)
        var text: [UInt8] = []
        text.reserveCapacity(30)
        Self.append(year, digits: 4, to: &text)
        text.append(UInt8(ascii: "-"))
        Self.append(month, digits: 2, to: &text)
        text.append(UInt8(ascii: "-"))
        Self.append(dayOfMonth, digits: 2, to: &text)
        text.append(UInt8(ascii: "T"))
        Self.append(second / 3600, digits: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        Self.append(second / 60 % 60, digits: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        Self.append(second % 60, digits: 2, to: &text)
        if decimals > 0 {
            text.append(UInt8(ascii: "."))
            var fraction = Int64(nanoseconds)
            for _ in decimals..<9 { fraction /= 10 }
            Self.append(fraction, digits: decimals, to: &text)
        }
        text.append(UInt8(ascii: "Z"))
        return String(decoding: text, as: UTF8.self)
    }

    /// Reads RFC 3339 with any number of decimals and any offset.
    public init(_ text: String) throws(APIValueError) {
        guard let time = Self.parse(Array(text.utf8)) else {
            throw APIValueError(.time, "parsing time \"\(text)\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"\(text)\" as RFC 3339")
        }
        self = time
    }

    private static func parse(_ bytes: [UInt8]) -> Time? {
        guard bytes.count >= 20, bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"),
            bytes[10] | 0x20 == UInt8(ascii: "t"), bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"),
            let year = number(bytes, 0, 4), let month = number(bytes, 5, 2), let day = number(bytes, 8, 2),
            let hour = number(bytes, 11, 2), let minute = number(bytes, 14, 2), let second = number(bytes, 17, 2),
            1...12 ~= month, 1...daysIn(month: month, year: year) ~= day, hour < 24, minute < 60, second < 60
        else { return nil }
        var position = 19
        var nanoseconds: Int32 = 0
        if bytes[position] == UInt8(ascii: ".") {
            position += 1
            var unit: Int32 = 100_000_000
            let start = position
            while position < bytes.count, 0x30...0x39 ~= bytes[position] {
                nanoseconds += Int32(bytes[position] - 0x30) * unit
                unit /= 10
                position += 1
            }
            if position == start { return nil }
        }
        guard let offset = parseOffset(bytes[position...]) else { return nil }
        let days = self.day(year: year, month: month, day: day)
        return Time(seconds: days * 86400 + hour * 3600 + minute * 60 + second - offset, nanoseconds: nanoseconds)
    }

    private static func parseOffset(_ bytes: ArraySlice<UInt8>) -> Int64? {
        if bytes.count == 1, let zulu = bytes.first, zulu | 0x20 == UInt8(ascii: "z") { return 0 }
        let bytes = Array(bytes)
        guard bytes.count == 6, bytes[3] == UInt8(ascii: ":"), let hours = number(bytes, 1, 2), let minutes = number(bytes, 4, 2),
            hours < 24, minutes < 60
        else { return nil }
        switch bytes[0] {
        case UInt8(ascii: "+"): return hours * 3600 + minutes * 60
        case UInt8(ascii: "-"): return -(hours * 3600 + minutes * 60)
        default: return nil
        }
    }

    private static func number(_ bytes: [UInt8], _ start: Int, _ count: Int) -> Int64? {
        var value: Int64 = 0
        for byte in bytes[start..<start + count] {
            guard 0x30...0x39 ~= byte else { return nil }
            value = value * 10 + Int64(byte - 0x30)
        }
        return value
    }

    private static func append(_ value: Int64, digits: Int, to text: inout [UInt8]) {
        let digitsText = String(value)
        for _ in digitsText.utf8.count..<max(digits, digitsText.utf8.count) { text.append(0x30) }
        text.append(contentsOf: digitsText.utf8)
    }

    // MARK: The proleptic Gregorian calendar, counted in eras of 400 years that begin on 1 March.

    private static func floorDivided(_ value: Int64, by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let remainder = value % divisor
        return remainder < 0 ? (value / divisor - 1, remainder + divisor) : (value / divisor, remainder)
    }

    private static func day(year: Int64, month: Int64, day: Int64) -> Int64 {
        let (era, yearOfEra) = floorDivided(month > 2 ? year : year - 1, by: 400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private static func date(fromDay day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let (era, dayOfEra) = floorDivided(day + 719_468, by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (era * 400 + yearOfEra + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    private static func daysIn(month: Int64, year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}
