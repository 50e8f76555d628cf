import BlockingCalls
import Crypto
import Glibc
import LinuxSystem
import OCISpec
import Synchronization

/// Where the bytes of a blob are: a piece of an open file.
struct BlobLocation: Sendable {
    var file: FileDescriptor
    var offset: Int64
    var size: Int64
}

/// A layer to unpack and what it must turn out to be.
struct LayerSource: Sendable {
    var blob: BlobLocation
    var compression: LayerCompression
    /// Digest of the blob as it is; nil where only the unpacked one is known (`docker save`).
    var digest: OCISpec.Digest?
    /// Digest of the unpacked tar stream.
    var diffID: OCISpec.Digest
}

/// What unpacking a layer made.
struct UnpackedLayer: Sendable {
    var bytes: UInt64
    var inodes: UInt64
}

/// Reads a layer once: read, digest, inflate, digest again, extract, on three threads.
///
/// ```
/// this thread: read → SHA-256 of the blob → inflate ─┬→ hasher: SHA-256 of the stream (diff id)
///                                                    └→ extractor: tar → files
/// ```
/// The caller makes the result visible only if this returns: the digests are known when the last byte has passed.
struct LayerPipeline {
    let source: LayerSource
    let limits: LayerLimits
    let cancellation: Cancellation

    /// Unpacks into an empty directory.
    func run(into root: FileDescriptor) throws(ImageError) -> UnpackedLayer {
        let ring = ChunkRing()
        let diffID = Mutex<OCISpec.Digest?>(nil)
        let extracted = Mutex<Result<UnpackedLayer, ImageError>?>(nil)
        let (limits, cancellation) = (limits, cancellation)

        let hasher = try Self.thread("layer-hash") {
            if let digest = LayerPipeline.hash(ring) { diffID.withLock { $0 = digest } }
        }
        let extract: @Sendable () -> Void = {
            let input = RingInput(ring)
            var result: Result<UnpackedLayer, ImageError>
            do throws(ImageError) {
                var extractor = LayerExtractor(root: root, limits: limits)
                result = .success(try extractor.extract(try TarReader(input), cancellation))
                ring.pass(.extractor, below: .max)
            } catch {
                result = .failure(error)
                ring.fail(.extractor)
            }
            extracted.withLock { $0 = result }
        }
        let extractor: OwnThread
        do throws(ImageError) { extractor = try Self.thread("layer-extract", extract) } catch {
            ring.fail(.extractor)
            hasher.join()
            throw error
        }
        let produced: Result<OCISpec.Digest?, ImageError>
        do throws(ImageError) {
            produced = .success(try produce(ring))
            ring.finish()
        } catch {
            produced = .failure(error)
            ring.fail(.producer)
        }
        hasher.join()
        extractor.join()
        return try conclude(produced, extracted.withLock { $0 }, diffID: diffID.withLock { $0 }, failure: ring.firstFailure)
    }

    private static func thread(_ name: String, _ body: @escaping @Sendable () -> Void) throws(ImageError) -> OwnThread {
        try system("start a thread") { () throws(SystemError) in try OwnThread(name, body) }
    }

    private func conclude(
        _ produced: Result<OCISpec.Digest?, ImageError>, _ extracted: Result<UnpackedLayer, ImageError>?, diffID: OCISpec.Digest?, failure: ChunkRing.Side?
    ) throws(ImageError) -> UnpackedLayer {
        if failure == .extractor { _ = try extracted?.get() }
        let digest = try produced.get()
        if let expected = source.digest, let digest, digest != expected {
            throw ImageError(.digestMismatch, "layer: expected digest \(expected), found \(digest)")
        }
        guard let diffID, let result = try extracted?.get() else {
            throw ImageError(.system, "layer \(source.diffID): a thread ended without a result")
        }
        guard diffID == source.diffID else {
            throw ImageError(.digestMismatch, "layer: expected diff id \(source.diffID), found \(diffID)")
        }
        return result
    }

    /// Reads and inflates the whole blob into the ring.
    /// - Returns: the digest of the blob; nil if it is not packed, where the diff id is the same.
    private func produce(_ ring: ChunkRing) throws(ImageError) -> OCISpec.Digest? {
        guard let inflater = try Inflater(source.compression) else {
            try copy(ring)
            return nil
        }
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: ChunkRing.chunkSize, alignment: 4096)
        defer { chunk.deallocate() }
        var hash = SHA256()
        var sink = RingSink(ring: ring, limit: limits.bytes)
        var offset: Int64 = 0
        while offset < source.blob.size {
            try cancellation.check()
            let wanted = Int(min(source.blob.size - offset, Int64(chunk.count)))
            let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: chunk[..<wanted]), at: offset)
            offset += Int64(count)
            let piece = UnsafeRawBufferPointer(rebasing: chunk[..<count])
            hash.update(bufferPointer: piece)
            try sink.inflate(piece, with: inflater)
        }
        guard inflater.isAtEnd else { throw ImageError(.invalidArchive, "layer: the \(source.compression) stream is truncated") }
        sink.flush()
        return OCISpec.Digest(sha256: hash.finalize())
    }

    private func copy(_ ring: ChunkRing) throws(ImageError) {
        var offset: Int64 = 0
        guard UInt64(source.blob.size) <= limits.bytes else { throw tooLarge(limits.bytes) }
        while offset < source.blob.size {
            try cancellation.check()
            guard let slot = ring.vacant() else { throw ImageError(.cancelled, "stopped") }
            let wanted = Int(min(source.blob.size - offset, Int64(slot.count)))
            let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: slot[..<wanted]), at: offset)
            offset += Int64(count)
            ring.publish(count)
        }
    }

    private func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(ImageError) -> Int {
        let count = try system("read layer") { () throws(SystemError) in
            try systemCall("pread") {
                let count = pread(source.blob.file.raw, buffer.baseAddress, buffer.count, off_t(source.blob.offset + offset))
                return count < 0 ? -Int(errno) : count
            }
        }
        guard count > 0 else { throw ImageError(.invalidArchive, "layer: expected \(source.blob.size) bytes, found the end of the file after \(offset)") }
        return count
    }

    private static func hash(_ ring: ChunkRing) -> OCISpec.Digest? {
        var hash = SHA256()
        var number = 0
        while let chunk = ring.read(number) {
            if chunk.isEmpty { return OCISpec.Digest(sha256: hash.finalize()) }
            hash.update(bufferPointer: chunk)
            number += 1
            ring.pass(.hasher, below: number)
        }
        return nil
    }
}

/// Fills the ring's buffers to the brim before it publishes them.
private struct RingSink {
    let ring: ChunkRing
    let limit: UInt64
    private var slot: UnsafeMutableRawBufferPointer?
    private var used = 0
    private var total: UInt64 = 0

    init(ring: ChunkRing, limit: UInt64) { (self.ring, self.limit) = (ring, limit) }

    mutating func inflate(_ input: UnsafeRawBufferPointer, with inflater: Inflater) throws(ImageError) {
        var input = input
        while true {
            guard let slot = slot ?? ring.vacant() else { throw ImageError(.cancelled, "stopped") }
            self.slot = slot
            let (consumed, produced) = try inflater.step(input, into: UnsafeMutableRawBufferPointer(rebasing: slot[used...]))
            input = UnsafeRawBufferPointer(rebasing: input[consumed...])
            used += produced
            total += UInt64(produced)
            if total > limit { throw tooLarge(limit) }
            let isFull = used == slot.count
            if isFull { flush() }
            if input.isEmpty, !isFull { return }
            // No progress with room and input left: the stream cannot be continued.
            if consumed == 0, produced == 0, !isFull { throw ImageError(.invalidArchive, "layer: the compressed stream is damaged") }
        }
    }

    mutating func flush() {
        if used > 0 { ring.publish(used) }
        (slot, used) = (nil, 0)
    }
}

func tooLarge(_ limit: UInt64) -> ImageError {
    ImageError(.limitExceeded, "layer: expected at most \(limit) bytes unpacked, found more")
}

/// The ring as input of a tar reader.
private final class RingInput: TarInput {
    private let ring: ChunkRing
    private var number = 0

    init(_ ring: ChunkRing) { self.ring = ring }

    func next() -> UnsafeRawBufferPointer? {
        // The buffer given last is done with only now.
        ring.pass(.extractor, below: number)
        guard let chunk = ring.read(number) else { return nil }
        if !chunk.isEmpty { number += 1 }
        return chunk
    }
}
