import Glibc
import LinuxSystem

/// What must be true before anything is made: one clear line for whoever finds it is not.
enum Preflight {
    static func root(for what: String) throws {
        guard geteuid() == 0 else { throw Failure("\(what) makes namespaces, mounts and cgroups and must run as root, found uid \(geteuid()): use sudo") }
    }

    /// The kernel features that no pod can do without.
    static func kernel(cgroupRoot: String) throws {
        for (file, feature) in [("/proc/self/ns/net", "network namespaces"), ("/proc/self/ns/pid", "PID namespaces"),
                                ("/proc/self/ns/mnt", "mount namespaces"), ("/proc/self/ns/uts", "UTS namespaces"), ("/proc/self/ns/ipc", "IPC namespaces"),
                                ("/proc/sys/kernel/seccomp", "seccomp")] where !Files.exists(file) {
            throw Failure("the kernel has no \(feature) (\(file) is missing): boot a kernel that has them")
        }
        guard try Files.readString("/proc/filesystems").contains("overlay") || Files.exists("/sys/module/overlay") || load("overlay") else {
            throw Failure("the kernel has no overlayfs: run 'modprobe overlay', or boot a kernel that has it")
        }
        guard Files.exists(cgroupRoot + "/cgroup.controllers") || Files.exists(cgroupRoot + "/memory") else {
            throw Failure("expected cgroups at \(cgroupRoot), found neither cgroup.controllers (v2) nor a memory directory (v1): mount them, or name their place with --cgroup-root")
        }
    }

    /// Loads a module as `modprobe` does; false if that did not help.
    private static func load(_ module: String) -> Bool {
        for modprobe in ["/sbin/modprobe", "/usr/sbin/modprobe"] where Files.exists(modprobe) {
            guard let pid = try? Processes.spawn(modprobe, arguments: ["modprobe", module], environment: [], descriptors: []),
                  let ended = try? Processes.wait(.pid(pid), blocking: true) else { continue }
            return ended.code == 0
        }
        return false
    }

    /// A directory that is there, or can be made, and can be written.
    static func directory(_ path: String, mode: UInt32) throws {
        do {
            try Files.makeDirectories(path, mode: mode)
        } catch {
            throw Failure("cannot use the directory \(path): \(error)")
        }
        guard try Files.status(path, follow: true).kind == .directory else { throw Failure("expected \(path) to be a directory, found something else") }
        guard access(path, R_OK | W_OK | X_OK) == 0 else { throw Failure("cannot read and write the directory \(path): \(SystemError(operation: "access", errno: errno))") }
    }

    /// Every directory on the way to `path` lets the control plane's user pass. What is missing will be made so that it does.
    static func reachable(_ path: String, by user: Account) throws {
        guard let blocked = try Namespaces.onOwnThread({ user.firstClosedDirectory(towards: path) }) else { return }
        let mode = (try? Files.status(blocked, follow: true)).map { " (mode 0\(String($0.mode, radix: 8)))" } ?? ""
        throw Failure(
            "the control plane's user \(user.name) cannot pass through \(blocked)\(mode) to \(path): "
                + "run 'chmod o+x \(blocked)', or choose another place with --data-dir")
    }

    /// A TCP port that nobody has taken. The bind itself may still lose a race; this only makes the common case clear.
    static func port(_ port: Int, of what: String, option: String) throws {
        guard let number = UInt16(exactly: port), number > 0 else { throw Failure("expected a port from 1 to 65535 for \(option), found \(port)") }
        let descriptor = FileDescriptor(owning: socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
        guard descriptor.raw >= 0 else { throw SystemError(operation: "socket", errno: errno) }
        var on: Int32 = 1
        setsockopt(descriptor.raw, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = number.bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor.raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        guard result == 0 else {
            if errno == EADDRINUSE { throw Failure("port \(port) of \(what) is in use by another program: stop it, or choose another port with \(option)") }
            throw SystemError(operation: "bind port \(port)", errno: errno)
        }
    }
}
