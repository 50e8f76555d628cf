/// `$(NAME)` in commands, arguments and environment values, with `$$` for a dollar sign.
enum VariableExpansion {
    /// References to unknown names stay as they are written, as do `$` signs that begin no reference.
    static func expand(_ text: String, _ value: (String) -> String?) -> String {
        guard text.utf8.contains(0x24) else { return text }
        let bytes = Array(text.utf8)
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            guard bytes[index] == 0x24, index + 1 < bytes.count else {
                output.append(bytes[index])
                index += 1
                continue
            }
            switch bytes[index + 1] {
            case 0x24:
                output.append(0x24)
                index += 2
            case 0x28:
                guard let end = bytes[(index + 2)...].firstIndex(of: 0x29) else {
                    output += bytes[index...]
                    return String(decoding: output, as: UTF8.self)
                }
                let name = String(decoding: bytes[(index + 2)..<end], as: UTF8.self)
                output += value(name).map { Array($0.utf8) } ?? Array(bytes[index...end])
                index = end + 1
            default:
                output += bytes[index...(index + 1)]
                index += 2
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}
