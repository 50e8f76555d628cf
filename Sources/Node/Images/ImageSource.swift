import BlockingCalls
import Glibc
import LinuxSystem
import OCISpec

/// The files of an image archive, whatever holds them.
protocol ImageSource {
    /// A file by its path inside the archive; nil if it is not there.
    func blob(_ path: String) throws(ImageError) -> BlobLocation?
}

extension ImageSource {
    /// Reads a document.
    func document(_ path: String) throws(ImageError) -> [UInt8]? {
        guard let location = try blob(path) else { return nil }
        return try location.read(path)
    }
}

extension BlobLocation {
    /// How the bytes are packed, by their first ones.
    func compression() throws(ImageError) -> LayerCompression {
        var head = self
        head.size = min(4, size)
        return LayerCompression(firstBytes: try head.read("archive"))
    }

    /// Reads all of it.
    func read(_ what: String) throws(ImageError) -> [UInt8] {
        guard size <= 8 << 20 else { throw ImageError(.limitExceeded, "\(what): expected at most 8 MiB, found \(size) bytes") }
        var bytes = [UInt8](repeating: 0, count: Int(size))
        var done = 0
        while done < bytes.count {
            let count = try system("read \(what)") { () throws(SystemError) in
                try systemCall("pread") {
                    let count = bytes.withUnsafeMutableBytes { pread(file.raw, $0.baseAddress! + done, $0.count - done, off_t(offset) + done) }
                    return count < 0 ? -Int(errno) : count
                }
            }
            guard count > 0 else { throw ImageError(.invalidArchive, "\(what): expected \(size) bytes, found the end of the file") }
            done += count
        }
        return bytes
    }
}

/// An unpacked OCI image layout.
struct DirectorySource: ImageSource {
    let root: FileDescriptor

    func blob(_ path: String) throws(ImageError) -> BlobLocation? {
        let file: FileDescriptor
        do throws(SystemError) {
            file = try openConfined(path, [.readOnly, .nonBlocking], resolve: [.beneath, .noMagicLinks], at: root)
        } catch {
            if error.errno == ENOENT { return nil }
            throw ImageError("image layout: \(path)", error)
        }
        let status = try system("image layout: \(path)") { () throws(SystemError) in try file.status() }
        guard status.kind == .regular else { throw ImageError(.invalidArchive, "image layout: \(path): expected a regular file") }
        return BlobLocation(file: file, offset: 0, size: status.size)
    }
}

/// A tarball, read once for the places of its files; their content is then read where it lies.
struct TarballSource: ImageSource {
    private enum Member { case file(offset: Int64, size: Int64), link(String) }

    private let file: FileDescriptor
    private var members: [String: Member] = [:]
    private static let documents: Set<String> = ["oci-layout", "index.json", "manifest.json"]

    /// - Parameter file: a regular file.
    init(_ file: FileDescriptor, size: Int64, _ cancellation: Cancellation) throws(ImageError) {
        self.file = file
        let reader = try TarReader(FileInput(file, size: size))
        while let entry = try reader.next() {
            try cancellation.check()
            guard members.count < 200_000 else { throw ImageError(.limitExceeded, "image archive: expected at most 200000 members, found more") }
            guard let name = TarballSource.clean(entry.name, from: "") else {
                throw ImageError(.escape, "image archive: \(LayerPath.show(entry.name)) leads out of the archive")
            }
            guard TarballSource.documents.isDisjoint(with: [name]) || members[name] == nil else {
                throw ImageError(.invalidArchive, "image archive: \(name) is there twice")
            }
            switch entry.kind {
            case .regular:
                guard !entry.isSparse else { throw ImageError(.unsupported, "image archive: \(name) is sparse") }
                let position = reader.position
                guard entry.size >= 0, position + entry.size <= size else {
                    throw ImageError(.invalidArchive, "image archive: \(name): expected \(entry.size) bytes, found the end of the archive (truncated?)")
                }
                members[name] = .file(offset: position, size: entry.size)
            // Docker and podman write layers that repeat as links to the first.
            case .symlink: members[name] = TarballSource.clean(entry.symlinkTarget, from: name).map(Member.link)
            case .hardLink: members[name] = TarballSource.clean(entry.hardLinkTarget, from: "").map(Member.link)
            default: break
            }
        }
    }

    func blob(_ path: String) throws(ImageError) -> BlobLocation? {
        guard var name = TarballSource.clean(Array(path.utf8), from: "") else {
            throw ImageError(.escape, "image archive: \(path.prefix(200)) leads out of the archive")
        }
        for _ in 0..<8 {
            switch members[name] {
            case .file(let offset, let size): return BlobLocation(file: file, offset: offset, size: size)
            case .link(let target): name = target
            case nil: return nil
            }
        }
        throw ImageError(.invalidArchive, "image archive: too many links at \(path.prefix(200))")
    }

    /// A path inside the archive, relative to the directory of `base`; nil if it leads out.
    private static func clean(_ path: [UInt8], from base: String) -> String? {
        let text = String(decoding: path, as: UTF8.self)
        var parts = text.hasPrefix("/") ? [] : base.split(separator: "/").dropLast()
        for part in text.split(separator: "/") where part != "." {
            if part == ".." {
                guard parts.popLast() != nil else { return nil }
            } else {
                parts.append(part)
            }
        }
        return parts.joined(separator: "/")
    }
}

/// A file as input of a tar reader, which may skip what it does not need.
final class FileInput: TarInput {
    private let file: FileDescriptor
    private let size: Int64
    private var offset: Int64 = 0
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 4096)

    init(_ file: FileDescriptor, size: Int64) { (self.file, self.size) = (file, size) }
    deinit { buffer.deallocate() }

    func next() -> UnsafeRawBufferPointer? {
        while true {
            let count = pread(file.raw, buffer.baseAddress, buffer.count, off_t(offset))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            offset += Int64(count)
            return UnsafeRawBufferPointer(rebasing: buffer[..<count])
        }
    }

    func skip(_ count: Int64) -> Int64 {
        let skipped = max(0, min(count, size - offset))
        offset += skipped
        return skipped
    }
}
