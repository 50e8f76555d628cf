import CLinux
import Glibc
import LinuxSystem

/// A terminal of the container's own devpts: the host's would be a way out.
struct Terminal {
    let master: FileDescriptor
    let slave: FileDescriptor
    let number: Int32

    /// Opens `/dev/pts/ptmx` inside a root and verifies that it is devpts' multiplexer (CVE-2025-52565).
    static func open(in root: FileDescriptor, owner: UInt32) throws(SystemError) -> Terminal {
        let place = try openConfined("dev/pts/ptmx", .path, resolve: [.inRoot, .noMagicLinks, .noSymlinks], at: root)
        let status = try place.status()
        guard try place.filesystemType() == FilesystemType.devpts, status.kind == .characterDevice, status.deviceMajor == 5, status.deviceMinor == 2 else {
            throw SystemError(operation: "verify terminal multiplexer", errno: ENODEV, path: "/dev/pts/ptmx")
        }
        let master = try openConfined("dev/pts/ptmx", [.readWrite, .noControllingTerminal], resolve: [.inRoot, .noMagicLinks, .noSymlinks], at: root)
        var unlocked: Int32 = 0
        var number: Int32 = 0
        _ = try systemCall("ioctl TIOCSPTLCK") { withUnsafePointer(to: &unlocked) { rawCall(Int32(SYS_ioctl), Int(master.raw), 0x4004_5431, $0.argument) } }
        _ = try systemCall("ioctl TIOCGPTN") { withUnsafeMutablePointer(to: &number) { rawCall(Int32(SYS_ioctl), Int(master.raw), 0x8004_5430, $0.argument) } }
        // The peer by descriptor, never by a path that could lead elsewhere.
        let slave = try systemCall("ioctl TIOCGPTPEER") { rawCall(Int32(SYS_ioctl), Int(master.raw), 0x5441, Int(O_RDWR | O_NOCTTY | O_CLOEXEC)) }
        let terminal = Terminal(master: master, slave: FileDescriptor(owning: Int32(slave)), number: number)
        _ = try systemCall("fchown terminal") { rawCall(Int32(SYS_fchown), Int(terminal.slave.raw), Int(owner), Int(UInt32.max)) }
        return terminal
    }

    /// Makes the terminal the container's `/dev/console`.
    func bindConsole(in root: FileDescriptor) throws(SystemError) {
        let path = "/dev/pts/\(number)"
        let container = ContainerRoot(descriptor: root)
        let place = try container.open(path)
        let (found, expected) = (try place.status(), try slave.status())
        guard found.inode == expected.inode, found.device == expected.device else { throw SystemError(operation: "verify terminal", errno: ENODEV, path: path) }
        let clone = try Mounts.cloneTree("", at: place)
        try Mounts.attach(clone, to: container.makeFile("/dev/console"))
    }

    /// Makes it the controlling terminal of the calling session.
    func control() throws(SystemError) {
        _ = try systemCall("ioctl TIOCSCTTY") { rawCall(Int32(SYS_ioctl), Int(slave.raw), 0x540e, 0) }
    }
}
