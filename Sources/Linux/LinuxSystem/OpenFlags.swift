import CLinux
import Glibc

/// Flags of open(2). O_CLOEXEC is always added by this module.
public struct OpenFlags: OptionSet, Sendable, Hashable {
    public let rawValue: Int32
    public init(rawValue: Int32) { self.rawValue = rawValue }

    public static let readOnly: OpenFlags = []
    public static let writeOnly = OpenFlags(rawValue: O_WRONLY)
    public static let readWrite = OpenFlags(rawValue: O_RDWR)
    public static let create = OpenFlags(rawValue: O_CREAT)
    public static let exclusive = OpenFlags(rawValue: O_EXCL)
    public static let truncate = OpenFlags(rawValue: O_TRUNC)
    public static let append = OpenFlags(rawValue: O_APPEND)
    public static let nonBlocking = OpenFlags(rawValue: O_NONBLOCK)
    public static let directory = OpenFlags(rawValue: O_DIRECTORY)
    public static let noFollow = OpenFlags(rawValue: O_NOFOLLOW)
    /// Only a handle on the place: nothing is opened (O_PATH).
    public static let path = OpenFlags(rawValue: 0o10000000)
    /// A terminal does not become the controlling terminal (O_NOCTTY).
    public static let noControllingTerminal = OpenFlags(rawValue: O_NOCTTY)
    /// An unnamed file in the directory (O_TMPFILE).
    public static let temporary = OpenFlags(rawValue: 0o20000000 | O_DIRECTORY)
}

/// How openat2(2) resolves a path: the confinement of everything that a container can write to.
public struct ResolveFlags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Never crosses a mount point.
    public static let noCrossDevice = ResolveFlags(rawValue: 0x01)
    /// No `/proc/…/fd`-like links.
    public static let noMagicLinks = ResolveFlags(rawValue: 0x02)
    /// No symbolic links at all.
    public static let noSymlinks = ResolveFlags(rawValue: 0x04)
    /// Leaving the directory is an error (EXDEV).
    public static let beneath = ResolveFlags(rawValue: 0x08)
    /// The directory is `/` for this look-up: absolute links and `..` stay inside.
    public static let inRoot = ResolveFlags(rawValue: 0x10)
}

/// open(2), close-on-exec, relative to `directory` or the working directory.
public func openFile(
    _ path: String, _ flags: OpenFlags = .readOnly, mode: UInt32 = 0o600, at directory: FileDescriptor? = nil
) throws(SystemError) -> FileDescriptor {
    let raw = try systemCall("open", path: path) {
        path.withCString {
            rawCall(Int32(SYS_openat), number(directory), $0.argument, Int(flags.rawValue | O_CLOEXEC), Int(mode))
        }
    }
    return FileDescriptor(owning: Int32(raw))
}

/// openat2(2): open with the look-up confined as `resolve` says. EAGAIN (a rename raced with the look-up) is tried again.
public func openConfined(
    _ path: String, _ flags: OpenFlags = .readOnly, mode: UInt32 = 0o600, resolve: ResolveFlags, at directory: FileDescriptor
) throws(SystemError) -> FileDescriptor {
    // The kernel refuses a mode without O_CREAT or O_TMPFILE.
    let creates = flags.contains(.create) || flags.contains(.temporary)
    var how: (flags: UInt64, mode: UInt64, resolve: UInt64) =
        (UInt64(UInt32(bitPattern: flags.rawValue | O_CLOEXEC)), creates ? UInt64(mode) : 0, resolve.rawValue)
    var attempts = 0
    while true {
        let result = withUnsafePointer(to: &how) { how in
            path.withCString { rawCall(Int32(SYS_openat2), Int(directory.raw), $0.argument, how.argument, 24) }
        }
        if result == -Int(EINTR) { continue }
        if result == -Int(EAGAIN), attempts < 128 { attempts += 1; continue }
        let raw = try systemCall("openat2", path: path) { result }
        return FileDescriptor(owning: Int32(raw))
    }
}

/// The number for a system call's directory argument: AT_FDCWD for nil.
@inline(__always)
func number(_ directory: FileDescriptor?) -> Int { directory.map { Int($0.raw) } ?? -100 }
