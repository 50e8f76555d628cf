import CArchive
import Glibc

/// Where a tar stream's bytes come from.
protocol TarInput: AnyObject {
    /// The next bytes, valid until the next call; empty at the end, nil if they cannot be had (the reader then fails).
    func next() -> UnsafeRawBufferPointer?
    /// Skips up to `count` bytes without reading them; 0 if it cannot.
    func skip(_ count: Int64) -> Int64
}

extension TarInput {
    func skip(_ count: Int64) -> Int64 { 0 }
}

/// Reads tar archives (ustar, pax, GNU) with libarchive. Decompression is none of its business.
final class TarReader {
    private let archive: OpaquePointer
    private let context: Context

    private final class Context {
        let input: any TarInput
        init(_ input: any TarInput) { self.input = input }
    }

    init(_ input: any TarInput) throws(ImageError) {
        guard let archive = archive_read_new() else { throw ImageError(.system, "no memory for a tar reader") }
        self.archive = archive
        context = Context(input)
        archive_read_support_format_tar(archive)
        // Unretained: the callbacks run only inside calls on this object, which holds the context.
        archive_read_set_callback_data(archive, Unmanaged.passUnretained(context).toOpaque())
        archive_read_set_read_callback(archive) { _, context, buffer in
            let input = Unmanaged<Context>.fromOpaque(context!).takeUnretainedValue().input
            guard let bytes = input.next() else { return -1 }
            buffer?.pointee = bytes.baseAddress
            return bytes.count
        }
        archive_read_set_skip_callback(archive) { _, context, count in
            Unmanaged<Context>.fromOpaque(context!).takeUnretainedValue().input.skip(count)
        }
        guard archive_read_open1(archive) == ARCHIVE_OK else { throw failure() }
    }

    deinit { archive_read_free(archive) }

    /// The next entry; nil at the end of the archive. It is valid until the next call.
    func next() throws(ImageError) -> TarEntry? {
        var entry: OpaquePointer?
        switch archive_read_next_header(archive, &entry) {
        case ARCHIVE_EOF: return nil
        // A warning is a name that is not valid in this locale; its bytes are there all the same.
        case ARCHIVE_OK, ARCHIVE_WARN: return entry.map(TarEntry.init)
        default: throw failure()
        }
    }

    /// The next piece of the current entry's content with its offset in the file; nil at the end.
    func content() throws(ImageError) -> (bytes: UnsafeRawBufferPointer, offset: Int64)? {
        var buffer: UnsafeRawPointer?
        var (size, offset) = (0, Int64(0))
        switch archive_read_data_block(archive, &buffer, &size, &offset) {
        case ARCHIVE_EOF: return nil
        case ARCHIVE_OK: return (UnsafeRawBufferPointer(start: buffer, count: size), offset)
        default: throw failure()
        }
    }

    /// Bytes of the archive read so far: after ``next()``, where the entry's content begins.
    var position: Int64 { archive_filter_bytes(archive, 0) }

    private func failure() -> ImageError {
        let reason = archive_error_string(archive).map { String(cString: $0) } ?? "no tar archive"
        return ImageError(.invalidArchive, "tar: \(reason.prefix(300))")
    }
}

/// One header of a tar archive.
struct TarEntry {
    enum Kind { case regular, directory, symlink, hardLink, characterDevice, blockDevice, fifo, other }

    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    var kind: Kind {
        if archive_entry_hardlink(pointer) != nil { return .hardLink }
        return switch UInt32(archive_entry_filetype(pointer)) {
        case 0o100000: .regular
        case 0o040000: .directory
        case 0o120000: .symlink
        case 0o020000: .characterDevice
        case 0o060000: .blockDevice
        case 0o010000: .fifo
        default: .other
        }
    }

    /// Bytes of the name as they are in the archive, up to the first zero.
    var name: [UInt8] { bytes(archive_entry_pathname(pointer)) }
    /// Target of a symbolic link.
    var symlinkTarget: [UInt8] { bytes(archive_entry_symlink(pointer)) }
    /// Target of a hard link.
    var hardLinkTarget: [UInt8] { bytes(archive_entry_hardlink(pointer)) }
    var size: Int64 { archive_entry_size(pointer) }
    var isSparse: Bool { archive_entry_sparse_count(pointer) > 0 }
    /// Permission bits with setuid, setgid and sticky.
    var mode: mode_t { archive_entry_perm(pointer) & 0o7777 }
    var uid: Int64 { archive_entry_uid(pointer) }
    var gid: Int64 { archive_entry_gid(pointer) }
    var deviceMajor: UInt64 { UInt64(archive_entry_rdevmajor(pointer)) }
    var deviceMinor: UInt64 { UInt64(archive_entry_rdevminor(pointer)) }
    var modified: timespec { timespec(tv_sec: archive_entry_mtime(pointer), tv_nsec: Int(archive_entry_mtime_nsec(pointer))) }

    /// Extended attributes; the values are valid until the reader moves on.
    func forEachAttribute(_ body: (UnsafePointer<CChar>, UnsafeRawBufferPointer) throws(ImageError) -> Void) throws(ImageError) {
        guard archive_entry_xattr_reset(pointer) > 0 else { return }
        var (name, value, size): (UnsafePointer<CChar>?, UnsafeRawPointer?, Int) = (nil, nil, 0)
        while archive_entry_xattr_next(pointer, &name, &value, &size) == ARCHIVE_OK {
            if let name { try body(name, UnsafeRawBufferPointer(start: value, count: size)) }
        }
    }

    private func bytes(_ text: UnsafePointer<CChar>?) -> [UInt8] {
        guard let text else { return [] }
        return Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }
}
