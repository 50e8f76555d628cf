/// Searches that look at eight bytes at a time.
enum JSONScan {
    /// The first position at which a string's text is not plain: a quote, a backslash or a control character; the end
    /// of the bytes if there is none.
    @inline(__always)
    static func endOfPlainText(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var position = start
        if let address = bytes.baseAddress {
            while position + 8 <= bytes.count {
                let word = UnsafeRawPointer(address + position).loadUnaligned(as: UInt64.self).littleEndian
                let special = specialBytes(word)
                if special != 0 { return position + special.trailingZeroBitCount >> 3 }
                position += 8
            }
        }
        while position < bytes.count {
            let byte = bytes[position]
            if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { break }
            position += 1
        }
        return position
    }

    @inline(__always)
    static func isASCII(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let address = bytes.baseAddress else { return true }
        var bits: UInt64 = 0
        var position = 0
        while position + 8 <= bytes.count {
            bits |= UnsafeRawPointer(address + position).loadUnaligned(as: UInt64.self)
            position += 8
        }
        while position < bytes.count {
            bits |= UInt64(bytes[position])
            position += 1
        }
        return bits & 0x8080_8080_8080_8080 == 0
    }

    /// Sets the top bit of each byte that is a quote, a backslash or below 0x20. A borrow can also set the bit of a
    /// byte above a real hit, never below it, so the lowest set bit is exact.
    @inline(__always)
    private static func specialBytes(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        let quote = word ^ (ones &* 0x22)
        let backslash = word ^ (ones &* 0x5C)
        let hits = ((quote &- ones) & ~quote) | ((backslash &- ones) & ~backslash) | ((word &- ones &* 0x20) & ~word)
        return hits & tops
    }
}
