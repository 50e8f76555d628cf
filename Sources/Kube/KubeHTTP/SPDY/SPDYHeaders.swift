internal import CZlib

/// The name/value pairs of a header block (section 2.6.10). Names are in lower case; a name stands once, with all its values.
struct SPDYHeaders: Sendable, Hashable {
    var pairs: [(name: String, value: String)]

    init(_ pairs: [(name: String, value: String)] = []) {
        self.pairs = pairs
    }

    /// The value of a name, whatever its case.
    subscript(name: String) -> String? {
        let name = name.lowercased()
        return pairs.first { $0.name == name }?.value
    }

    static func == (left: Self, right: Self) -> Bool { left.pairs.elementsEqual(right.pairs) { $0 == $1 } }
    func hash(into hasher: inout Hasher) { for pair in pairs { hasher.combine(pair.name); hasher.combine(pair.value) } }

    /// The block, uncompressed.
    var block: [UInt8] {
        var bytes = SPDYFrame.word(UInt32(pairs.count))
        for (name, value) in pairs {
            for text in [name.lowercased(), value] { bytes += SPDYFrame.word(UInt32(text.utf8.count)) + text.utf8 }
        }
        return bytes
    }

    /// Reads an uncompressed block.
    init(block: [UInt8]) throws(SPDYError) {
        var rest = block[...]
        func number() throws(SPDYError) -> Int {
            guard rest.count >= 4 else { throw SPDYError(.malformedHeaders, "expected a length of 4 bytes in a header block, found \(rest.count)") }
            let value = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(4)
            return value
        }
        func text() throws(SPDYError) -> String {
            let count = try number()
            guard rest.count >= count else { throw SPDYError(.malformedHeaders, "expected \(count) bytes in a header block, found \(rest.count)") }
            defer { rest = rest.dropFirst(count) }
            return String(decoding: rest.prefix(count), as: UTF8.self)
        }
        let count = try number()
        // A pair takes eight bytes at least; an empty name is not allowed.
        guard count <= rest.count / 8 else { throw SPDYError(.malformedHeaders, "expected \(count) headers, found \(rest.count) bytes") }
        pairs = []
        var names: Set<String> = []
        for _ in 0..<count {
            let name = try text().lowercased()
            let value = try text()
            guard !name.isEmpty, names.insert(name).inserted else { throw SPDYError(.malformedHeaders, "expected each header once and with a name") }
            pairs.append((name, value))
        }
    }
}

/// Compresses header blocks: one zlib stream for a whole session, flushed after each block.
final class SPDYHeaderCompressor {
    // zlib keeps a pointer back to this structure, so it must not move.
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)

    init() throws(SPDYError) {
        stream.initialize(to: z_stream())
        // The smallest window and memory that hold the dictionary: 11 bits, 16 KB in all.
        let code = deflateInit2_(stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 11, 4, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard code == Z_OK else {
            stream.deallocate()
            throw SPDYError(.malformedHeaders, "zlib cannot begin to compress: \(code)")
        }
        let dictionary = SPDYDictionary.bytes
        _ = deflateSetDictionary(stream, dictionary, UInt32(dictionary.count))
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    func compress(_ block: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var input = block
        input.withUnsafeMutableBufferPointer { input in
            stream.pointee.next_in = input.baseAddress
            stream.pointee.avail_in = UInt32(input.count)
            var chunk = [UInt8](repeating: 0, count: 1024)
            repeat {
                let size = chunk.count
                chunk.withUnsafeMutableBufferPointer { space in
                    stream.pointee.next_out = space.baseAddress
                    stream.pointee.avail_out = UInt32(size)
                    _ = deflate(stream, Z_SYNC_FLUSH)
                }
                output += chunk[..<(size - Int(stream.pointee.avail_out))]
            } while stream.pointee.avail_out == 0
            stream.pointee.next_in = nil
        }
        return output
    }
}

/// Takes header blocks apart that ``SPDYHeaderCompressor``, or any other zlib, has compressed.
final class SPDYHeaderDecompressor {
    /// The longest block, uncompressed, in bytes: a small frame may stand for a thousand times its size.
    static let limit = 64 * 1024

    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)

    init() throws(SPDYError) {
        stream.initialize(to: z_stream())
        let code = inflateInit_(stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard code == Z_OK else {
            stream.deallocate()
            throw SPDYError(.malformedHeaders, "zlib cannot begin to decompress: \(code)")
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// - Throws: `SPDYError`; the session cannot go on after that, since later blocks refer to earlier ones.
    func decompress(_ block: [UInt8]) throws(SPDYError) -> [UInt8] {
        var output: [UInt8] = []
        var input = block
        let failure = input.withUnsafeMutableBufferPointer { input -> SPDYError? in
            stream.pointee.next_in = input.baseAddress
            stream.pointee.avail_in = UInt32(input.count)
            defer { stream.pointee.next_in = nil }
            var chunk = [UInt8](repeating: 0, count: 4096)
            while true {
                let size = chunk.count
                let code = chunk.withUnsafeMutableBufferPointer { space in
                    stream.pointee.next_out = space.baseAddress
                    stream.pointee.avail_out = UInt32(size)
                    return inflate(stream, Z_SYNC_FLUSH)
                }
                output += chunk[..<(size - Int(stream.pointee.avail_out))]
                guard output.count <= Self.limit else { return SPDYError(.tooLarge, "expected at most \(Self.limit) bytes of headers") }
                switch code {
                case Z_NEED_DICT:
                    let dictionary = SPDYDictionary.bytes
                    guard inflateSetDictionary(stream, dictionary, UInt32(dictionary.count)) == Z_OK else {
                        return SPDYError(.malformedHeaders, "expected headers compressed with the dictionary of SPDY/3")
                    }
                case Z_OK where stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0:
                    continue
                case Z_OK, Z_BUF_ERROR:
                    return nil
                default:
                    return SPDYError(.malformedHeaders, "the headers cannot be decompressed: zlib error \(code)")
                }
            }
        }
        if let failure { throw failure }
        return output
    }
}
