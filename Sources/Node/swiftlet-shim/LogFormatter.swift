/// Cuts one stream of output into CRI log lines: `2026-11-21T09:30:00.123456789Z stdout F text`.
///
/// A line longer than 16 KiB becomes parts tagged `P`, the last one `F`. What is left without a newline at the end is
/// `P`, since the reader must not invent the newline.
struct LogFormatter {
    static let maximumPart = 16 << 10

    private let stream: [UInt8]
    private var partial: [UInt8] = []
    /// Formatted whole lines, to be written and emptied by the owner.
    private(set) var output: [UInt8] = []
    private(set) var lines = 0

    init(stream: String) { self.stream = Array(" \(stream) ".utf8) }

    /// True if what is formatted should be written before more is added.
    var isFull: Bool { output.count >= 64 << 10 }

    mutating func takeOutput() -> (bytes: [UInt8], lines: Int) {
        let result = (output, lines)
        // One big burst must not stay in memory for the container's life.
        if output.capacity > 128 << 10 { output = [] } else { output.removeAll(keepingCapacity: true) }
        lines = 0
        return result
    }

    /// Adds bytes until they are used up or ``isFull``.
    /// - Returns: how many bytes were used.
    mutating func append(_ bytes: UnsafeRawBufferPointer, time: [UInt8]) -> Int {
        var start = 0
        while start < bytes.count, !isFull {
            let room = LogFormatter.maximumPart - partial.count
            let end = min(bytes.count, start + room)
            var newline = start
            while newline < end, bytes[newline] != 0x0a { newline += 1 }
            if newline < end {
                line(bytes, start..<newline, tag: UInt8(ascii: "F"), time: time)
                start = newline + 1
            } else if end - start == room {
                // A line of exactly 16 KiB whose newline comes next still ends in an (empty) full part: readers join them.
                line(bytes, start..<end, tag: UInt8(ascii: "P"), time: time)
                start = end
            } else {
                partial.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
                start = end
            }
        }
        return start
    }

    /// The stream has ended.
    mutating func finish(time: [UInt8]) {
        guard !partial.isEmpty else { return }
        line(UnsafeRawBufferPointer(start: nil, count: 0), 0..<0, tag: UInt8(ascii: "P"), time: time)
    }

    private mutating func line(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, tag: UInt8, time: [UInt8]) {
        output.append(contentsOf: time)
        output.append(contentsOf: stream)
        output.append(tag)
        output.append(0x20)
        if !partial.isEmpty {
            output.append(contentsOf: partial)
            partial.removeAll(keepingCapacity: true)
        }
        if !range.isEmpty { output.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[range])) }
        output.append(0x0a)
        lines += 1
    }
}

/// UTC times as text, without a C library's locks and files.
enum Timestamp {
    /// RFC 3339 with nine digits: `2026-11-21T09:30:00.123456789Z`.
    static func rfc3339(nanoseconds: Int64) -> [UInt8] {
        let (date, seconds, fraction) = split(nanoseconds)
        var text: [UInt8] = []
        text.reserveCapacity(30)
        digits(date.year, 4, &text)
        text.append(UInt8(ascii: "-"))
        digits(date.month, 2, &text)
        text.append(UInt8(ascii: "-"))
        digits(date.day, 2, &text)
        text.append(UInt8(ascii: "T"))
        digits(seconds / 3600, 2, &text)
        text.append(UInt8(ascii: ":"))
        digits(seconds / 60 % 60, 2, &text)
        text.append(UInt8(ascii: ":"))
        digits(seconds % 60, 2, &text)
        text.append(UInt8(ascii: "."))
        digits(fraction, 9, &text)
        text.append(UInt8(ascii: "Z"))
        return text
    }

    /// A suffix for set-aside log files whose order as text is their order in time: `20261121-093000.123456789`.
    static func suffix(nanoseconds: Int64) -> String {
        let (date, seconds, fraction) = split(nanoseconds)
        var text: [UInt8] = []
        digits(date.year, 4, &text)
        digits(date.month, 2, &text)
        digits(date.day, 2, &text)
        text.append(UInt8(ascii: "-"))
        digits(seconds / 3600, 2, &text)
        digits(seconds / 60 % 60, 2, &text)
        digits(seconds % 60, 2, &text)
        text.append(UInt8(ascii: "."))
        digits(fraction, 9, &text)
        return String(decoding: text, as: UTF8.self)
    }

    private static func split(_ nanoseconds: Int64) -> (date: (year: Int, month: Int, day: Int), seconds: Int, fraction: Int) {
        let nanoseconds = max(nanoseconds, 0) // a clock before 1970 must not trap
        let total = Int(nanoseconds / 1_000_000_000)
        return (civil(days: total / 86400), total % 86400, Int(nanoseconds % 1_000_000_000))
    }

    /// The proleptic Gregorian date of a day counted from 1970-01-01, by counting in 400-year eras that start in March.
    private static func civil(days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    private static func digits(_ value: Int, _ count: Int, _ text: inout [UInt8]) {
        var divisor = 1
        for _ in 1..<count { divisor *= 10 }
        while divisor > 0 {
            text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / divisor % 10))
            divisor /= 10
        }
    }
}
