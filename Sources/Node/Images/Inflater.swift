import CArchive
import OCISpec

/// Unpacks gzip or zstd, a buffer at a time.
final class Inflater {
    private enum Engine {
        case gzip(UnsafeMutablePointer<z_stream>)
        case zstd(OpaquePointer)
    }

    private let engine: Engine
    /// True between members or frames: only there may the input end.
    private(set) var isAtEnd = false

    /// - Returns: nil for what is not packed.
    init?(_ compression: LayerCompression) throws(ImageError) {
        switch compression {
        case .none: return nil
        case .gzip:
            let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
            stream.initialize(to: z_stream())
            // 15 bits of window, and 16 for the gzip wrapper alone.
            guard inflateInit2_(stream, 31, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
                stream.deallocate()
                throw ImageError(.system, "no memory to unpack gzip")
            }
            engine = .gzip(stream)
        case .zstd:
            guard let stream = ZSTD_createDStream() else { throw ImageError(.system, "no memory to unpack zstd") }
            // A frame may ask for a window of gigabytes; 128 MiB is what zstd --ultra needs at most by default.
            ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, 27)
            engine = .zstd(stream)
        }
    }

    deinit {
        switch engine {
        case .gzip(let stream): inflateEnd(stream); stream.deallocate()
        case .zstd(let stream): ZSTD_freeDStream(stream)
        }
    }

    /// Unpacks from `input` into `output` until one of them is used up.
    func step(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) throws(ImageError) -> (consumed: Int, produced: Int) {
        switch engine {
        case .gzip(let stream): try gzip(stream, input, output)
        case .zstd(let stream): try zstd(stream, input, output)
        }
    }

    private func gzip(_ stream: UnsafeMutablePointer<z_stream>, _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer) throws(ImageError) -> (Int, Int) {
        if isAtEnd, !input.isEmpty { // several members, one after the other, are one file (RFC 1952)
            inflateReset(stream)
            isAtEnd = false
        }
        // zlib never writes through next_in; its type lacks const.
        stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(input.count)
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(output.count)
        let code = inflate(stream, Z_NO_FLUSH)
        if code == Z_STREAM_END { isAtEnd = true }
        guard code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR else {
            let reason = stream.pointee.msg.map { String(cString: $0) } ?? "code \(code)"
            throw ImageError(.invalidArchive, "gzip: \(reason)")
        }
        return (input.count - Int(stream.pointee.avail_in), output.count - Int(stream.pointee.avail_out))
    }

    private func zstd(_ stream: OpaquePointer, _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer) throws(ImageError) -> (Int, Int) {
        var from = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var to = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
        let code = ZSTD_decompressStream(stream, &to, &from)
        if ZSTD_isError(code) != 0 {
            throw ImageError(.invalidArchive, "zstd: \(String(cString: ZSTD_getErrorName(code)))")
        }
        if from.pos > 0 || to.pos > 0 { isAtEnd = code == 0 }
        return (from.pos, to.pos)
    }
}
