import CLinux
import Glibc

/// Flags of mount(2) (`MS_*`).
public struct MountFlags: OptionSet, Sendable, Hashable {
    public let rawValue: UInt
    public init(rawValue: UInt) { self.rawValue = rawValue }

    public static let readOnly = MountFlags(rawValue: 1)
    public static let noSetUID = MountFlags(rawValue: 2)
    public static let noDevices = MountFlags(rawValue: 4)
    public static let noExecute = MountFlags(rawValue: 8)
    public static let remount = MountFlags(rawValue: 32)
    public static let bind = MountFlags(rawValue: 4096)
    public static let move = MountFlags(rawValue: 8192)
    public static let recursive = MountFlags(rawValue: 16384)
    public static let unbindable = MountFlags(rawValue: 1 << 17)
    public static let `private` = MountFlags(rawValue: 1 << 18)
    public static let `slave` = MountFlags(rawValue: 1 << 19)
    public static let shared = MountFlags(rawValue: 1 << 20)
    public static let strictAccessTime = MountFlags(rawValue: 1 << 24)
}

/// Attributes of mount_setattr(2) and fsmount(2) (`MOUNT_ATTR_*`).
public struct MountAttributes: OptionSet, Sendable, Hashable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public static let readOnly = MountAttributes(rawValue: 0x01)
    public static let noSetUID = MountAttributes(rawValue: 0x02)
    public static let noDevices = MountAttributes(rawValue: 0x04)
    public static let noExecute = MountAttributes(rawValue: 0x08)
    public static let noAccessTime = MountAttributes(rawValue: 0x10)
    public static let idMapped = MountAttributes(rawValue: 0x0010_0000)
    public static let noSymlinkFollow = MountAttributes(rawValue: 0x0020_0000)
}

/// How mounts travel between mount namespaces; the raw value is that of mount(2).
public enum MountPropagation: UInt64, Sendable {
    case `private` = 0x4_0000, `slave` = 0x8_0000, shared = 0x10_0000, unbindable = 0x2_0000
}

/// The mount system calls. Descriptors where the kernel has them: a path can be swapped between check and use.
public enum Mounts {
    /// mount(2).
    public static func mount(_ source: String?, at target: String, type: String? = nil, flags: MountFlags = [], data: String? = nil) throws(SystemError) {
        _ = try systemCall("mount \(type ?? (flags.contains(.bind) ? "bind" : ""))", path: target) {
            target.withCString { target in
                withOptionalCString(source) { source in
                    withOptionalCString(type) { type in
                        withOptionalCString(data) { rawCall(Int32(SYS_mount), source, target.argument, type, Int(bitPattern: flags.rawValue), $0) }
                    }
                }
            }
        }
    }

    /// umount2(2). Symbolic links are never followed.
    /// - Parameter detach: true to take it out of the tree now and clean up when nobody uses it (MNT_DETACH).
    public static func unmount(_ target: String, detach: Bool = false) throws(SystemError) {
        _ = try systemCall("umount", path: target) { target.withCString { rawCall(Int32(SYS_umount2), $0.argument, 8 | (detach ? 2 : 0)) } }
    }

    /// open_tree(2): a detached copy of the mount at a place (bind without attaching).
    /// - Parameter path: relative to `directory`; empty for the directory descriptor itself.
    public static func cloneTree(_ path: String, at directory: FileDescriptor? = nil, recursive: Bool = false) throws(SystemError) -> FileDescriptor {
        let flags = 1 | Int(O_CLOEXEC) | (recursive ? 0x8000 : 0) | (path.isEmpty ? 0x1000 : 0)
        let raw = try systemCall("open_tree", path: path.isEmpty ? nil : path) {
            path.withCString { rawCall(Int32(SYS_open_tree), number(directory), $0.argument, flags) }
        }
        return FileDescriptor(owning: Int32(raw))
    }

    /// move_mount(2): attaches a detached mount on the place that `target` is open on (or on `path` relative to it).
    public static func attach(_ mount: FileDescriptor, to target: FileDescriptor?, path: String = "") throws(SystemError) {
        let flags = 0x4 | (path.isEmpty ? 0x40 : 0) // F_EMPTY_PATH, T_EMPTY_PATH
        _ = try systemCall("move_mount", path: path.isEmpty ? nil : path) {
            "".withCString { empty in
                path.withCString { rawCall(Int32(SYS_move_mount), Int(mount.raw), empty.argument, number(target), $0.argument, flags) }
            }
        }
    }

    /// mount_setattr(2) on the mount that a descriptor stands for.
    public static func setAttributes(
        of mount: FileDescriptor, set: MountAttributes = [], clear: MountAttributes = [], propagation: MountPropagation? = nil,
        userNamespace: FileDescriptor? = nil, recursive: Bool = false
    ) throws(SystemError) {
        try setAttributes(of: "", at: mount, set: set, clear: clear, propagation: propagation, userNamespace: userNamespace, recursive: recursive)
    }

    /// mount_setattr(2) on a path.
    public static func setAttributes(
        of path: String, at directory: FileDescriptor? = nil, set: MountAttributes = [], clear: MountAttributes = [],
        propagation: MountPropagation? = nil, userNamespace: FileDescriptor? = nil, recursive: Bool = false
    ) throws(SystemError) {
        var attributes: (UInt64, UInt64, UInt64, UInt64) =
            (set.rawValue, clear.rawValue, propagation?.rawValue ?? 0, userNamespace.map { UInt64($0.raw) } ?? 0)
        let flags = (path.isEmpty ? 0x1000 : 0) | (recursive ? 0x8000 : 0)
        _ = try systemCall("mount_setattr", path: path.isEmpty ? nil : path) {
            withUnsafePointer(to: &attributes) { attributes in
                path.withCString { rawCall(Int32(SYS_mount_setattr), number(directory), $0.argument, flags, attributes.argument, 32) }
            }
        }
    }

    /// fsopen, fsconfig, fsmount: a new file system as a detached mount.
    /// - Parameter options: key and value, or a flag where the value is nil. A string ends at 255 bytes: that is why
    ///   overlay is mounted by ``mount(_:at:type:flags:data:)``.
    public static func create(
        _ type: String, options: [(key: String, value: String?)] = [], attributes: MountAttributes = []
    ) throws(SystemError) -> FileDescriptor {
        let context = FileDescriptor(owning: Int32(try systemCall("fsopen \(type)") { type.withCString { rawCall(Int32(SYS_fsopen), $0.argument, 1) } }))
        for option in options {
            _ = try systemCall("fsconfig \(type) \(option.key)") {
                option.key.withCString { key in
                    withOptionalCString(option.value) {
                        rawCall(Int32(SYS_fsconfig), Int(context.raw), option.value == nil ? 0 : 1, key.argument, $0, 0)
                    }
                }
            }
        }
        _ = try systemCall("fsconfig \(type) create") { rawCall(Int32(SYS_fsconfig), Int(context.raw), 6, 0, 0, 0) }
        let raw = try systemCall("fsmount \(type)") { rawCall(Int32(SYS_fsmount), Int(context.raw), 1, Int(attributes.rawValue)) }
        return FileDescriptor(owning: Int32(raw))
    }

    /// pivot_root(2) of `root` onto itself and detaching of the old root: afterwards `/` is `root` and nothing of the host is left.
    /// No mount of the calling namespace may be shared (make `/` a slave, recursively, before), or the host's would go too.
    public static func pivot(to root: FileDescriptor) throws(SystemError) {
        let old = try openFile("/", [.readOnly, .directory])
        try changeDirectory(to: root)
        _ = try systemCall("pivot_root") { ".".withCString { rawCall(Int32(SYS_pivot_root), $0.argument, $0.argument) } }
        try changeDirectory(to: old)
        // The old root lies on top of the new one: cut it off.
        try unmount(".", detach: true)
        try changeDirectory(to: "/")
    }

    /// fchdir(2). Of the whole process: never in the agent.
    public static func changeDirectory(to directory: FileDescriptor) throws(SystemError) {
        _ = try systemCall("fchdir") { rawCall(Int32(SYS_fchdir), Int(directory.raw)) }
    }

    /// chdir(2). Of the whole process: never in the agent.
    public static func changeDirectory(to path: String) throws(SystemError) {
        _ = try systemCall("chdir", path: path) { path.withCString { rawCall(Int32(SYS_chdir), $0.argument) } }
    }
}
