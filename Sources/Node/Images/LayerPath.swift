/// A name from an archive, cleaned: relative, without `.` and empty parts, never `..`. Bytes, because Linux names are.
struct LayerPath: Hashable, CustomStringConvertible {
    /// Parts joined by slashes; empty for the root.
    let bytes: [UInt8]
    /// Where the last part begins.
    let nameStart: Int

    /// - Throws: ``ImageError`` with `escape` for `..`, `limitExceeded` for what no file system can hold.
    init(cleaning raw: [UInt8], limits: LayerLimits) throws(ImageError) {
        var clean: [UInt8] = []
        clean.reserveCapacity(raw.count)
        var (nameStart, depth, index) = (0, 0, 0)
        while index < raw.count {
            var end = index
            while end < raw.count, raw[end] != UInt8(ascii: "/") { end += 1 }
            let part = raw[index..<end]
            index = end + 1
            if part.isEmpty || part.elementsEqual(".".utf8) { continue }
            if part.elementsEqual("..".utf8) {
                throw ImageError(.escape, "layer: \(LayerPath.show(raw)) leads out of its directory")
            }
            guard part.count <= 255 else { throw ImageError(.limitExceeded, "layer: expected names of at most 255 bytes, found \(part.count)") }
            if !clean.isEmpty { clean.append(UInt8(ascii: "/")) }
            nameStart = clean.count
            clean += part
            depth += 1
        }
        guard clean.count <= limits.pathLength else {
            throw ImageError(.limitExceeded, "layer: expected paths of at most \(limits.pathLength) bytes, found \(clean.count)")
        }
        guard depth <= limits.depth else {
            throw ImageError(.limitExceeded, "layer: expected at most \(limits.depth) directories inside each other, found \(depth)")
        }
        (bytes, self.nameStart) = (clean, nameStart)
    }

    var isRoot: Bool { bytes.isEmpty }
    /// The last part.
    var name: ArraySlice<UInt8> { bytes[nameStart...] }
    /// Everything above the last part; empty for the root.
    var parent: ArraySlice<UInt8> { bytes[..<max(0, nameStart - 1)] }
    var description: String { LayerPath.show(bytes) }

    /// A name for an error message: short, and without control characters.
    static func show(_ bytes: some Collection<UInt8>) -> String {
        let text = String(decoding: bytes.prefix(200), as: UTF8.self)
        return String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "?" : $0 }))
    }
}

extension Collection<UInt8> {
    /// Calls with the bytes as a C string.
    func withCName<R>(_ body: (UnsafePointer<CChar>) -> R) -> R {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: count + 1) { buffer in
            var index = 0
            for byte in self {
                buffer[index] = CChar(bitPattern: byte)
                index += 1
            }
            buffer[index] = 0
            return body(UnsafePointer(buffer.baseAddress!)) // the capacity is at least 1
        }
    }
}
