/// Runs a seccomp program as the kernel would, so that tests speak of calls and answers, not of instructions.
struct FilterMachine {
    enum Failure: Error { case outOfBounds(Int), unknownInstruction(UInt16) }

    var bytes: [UInt8]

    static let x86_64: UInt32 = 0xc000_003e
    static let i386: UInt32 = 0x4000_0003

    /// - Returns: the value the filter gives to the kernel.
    func answer(_ number: UInt32, _ arguments: [UInt64] = [], architecture: UInt32 = x86_64) throws -> UInt32 {
        var data = [UInt8](repeating: 0, count: 64)
        func put<T: FixedWidthInteger>(_ value: T, at offset: Int) {
            withUnsafeBytes(of: value.littleEndian) { for (index, byte) in $0.enumerated() { data[offset + index] = byte } }
        }
        put(number, at: 0)
        put(architecture, at: 4)
        for (index, argument) in arguments.enumerated() { put(argument, at: 16 + index * 8) }
        return try run(data)
    }

    private func word(_ bytes: [UInt8], _ offset: Int) throws -> UInt32 {
        guard offset >= 0, offset + 4 <= bytes.count else { throw Failure.outOfBounds(offset) }
        return (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32($1 * 8) }
    }

    private func run(_ data: [UInt8]) throws -> UInt32 {
        var accumulator: UInt32 = 0
        var memory = [UInt32](repeating: 0, count: 16)
        var index: UInt32 = 0
        var position = 0
        while true {
            let head = try word(bytes, position * 8)
            let value = try word(bytes, position * 8 + 4)
            let (code, jumpTrue, jumpFalse) = (UInt16(truncatingIfNeeded: head), Int(head >> 16 & 0xff), Int(head >> 24))
            position += 1
            switch code {
            case 0x20: accumulator = try word(data, Int(value))
            case 0x60: accumulator = memory[Int(value)]
            case 0x61: index = memory[Int(value)]
            case 0x02: memory[Int(value)] = accumulator
            case 0x00: accumulator = value
            case 0x54: accumulator &= value
            case 0x05: position += Int(value)
            case 0x15: position += accumulator == value ? jumpTrue : jumpFalse
            case 0x25: position += accumulator > value ? jumpTrue : jumpFalse
            case 0x35: position += accumulator >= value ? jumpTrue : jumpFalse
            case 0x07: index = accumulator
            case 0x87: accumulator = index
            case 0x06: return value
            default: throw Failure.unknownInstruction(code)
            }
        }
    }
}
