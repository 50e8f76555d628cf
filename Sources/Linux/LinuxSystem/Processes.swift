import CLinux
import Glibc

/// How a child ended.
public struct ChildExit: Sendable, Hashable {
    public var pid: Int32
    /// The exit code; 128 + signal when a signal ended it.
    public var code: Int32
    public var signal: Int32?
    public init(pid: Int32, code: Int32, signal: Int32? = nil) { (self.pid, self.code, self.signal) = (pid, code, signal) }
}

/// Processes: pidfds, waiting, spawning.
public enum Processes {
    /// pidfd_open(2).
    public static func openPidfd(_ pid: Int32) throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: Int32(try systemCall("pidfd_open") { rawCall(Int32(SYS_pidfd_open), Int(pid), 0) }))
    }

    /// pidfd_send_signal(2): never hits a stranger that got the same pid. Signal 0 asks whether it lives.
    public static func send(signal: Int32, to pidfd: FileDescriptor) throws(SystemError) {
        _ = try systemCall("pidfd_send_signal") { rawCall(Int32(SYS_pidfd_send_signal), Int(pidfd.raw), Int(signal), 0, 0) }
    }

    /// kill(2). Only for one's own unreaped children: any other pid may be somebody else by now.
    public static func kill(_ pid: Int32, _ signal: Int32) throws(SystemError) {
        _ = try systemCall("kill") { rawCall(Int32(SYS_kill), Int(pid), Int(signal)) }
    }

    /// What to wait for.
    public enum WaitTarget: Sendable { case any, pid(Int32) }

    /// waitid(2) for ended children.
    /// - Parameters:
    ///   - blocking: false returns nil when nobody has ended.
    ///   - reap: false leaves the zombie, so that its pid stays taken while it is looked up (WNOWAIT).
    public static func wait(_ target: WaitTarget, blocking: Bool, reap: Bool = true) throws(SystemError) -> ChildExit? {
        var child = clinux_child()
        let options = 4 | (blocking ? 0 : 1) | (reap ? 0 : 0x0100_0000) // WEXITED, WNOHANG, WNOWAIT
        _ = try systemCall("waitid") {
            switch target {
            case .any: Int(clinux_waitid(0, 0, Int32(options), &child))
            case .pid(let pid): Int(clinux_waitid(1, UInt32(bitPattern: pid), Int32(options), &child))
            }
        }
        if child.pid == 0 { return nil }
        // CLD_EXITED is 1; killed and dumped carry the signal.
        if child.code == 1 { return ChildExit(pid: child.pid, code: child.status) }
        return ChildExit(pid: child.pid, code: 128 &+ child.status, signal: child.status)
    }

    /// Waits for a child through its pidfd and reaps it.
    public static func wait(pidfd: FileDescriptor, blocking: Bool) throws(SystemError) -> ChildExit? {
        var child = clinux_child()
        _ = try systemCall("waitid") { Int(clinux_waitid(3, UInt32(bitPattern: pidfd.raw), 4 | (blocking ? 0 : 1), &child)) }
        if child.pid == 0 { return nil }
        if child.code == 1 { return ChildExit(pid: child.pid, code: child.status) }
        return ChildExit(pid: child.pid, code: 128 &+ child.status, signal: child.status)
    }

    /// posix_spawn(3) with default signals, an empty mask, and no descriptors but `descriptors` as 0, 1, 2 and so on.
    /// - Parameters:
    ///   - arguments: with argv[0].
    ///   - newSession: setsid, so that a terminal's hang-up does not reach it.
    public static func spawn(
        _ path: String, arguments: [String], environment: [String], descriptors: [Int32], newSession: Bool = false
    ) throws(SystemError) -> Int32 {
        let pid = try systemCall("spawn", path: path) {
            withCStringArray(arguments) { argv in
                withCStringArray(environment) { envp in
                    Int(clinux_spawn(path, argv, envp, descriptors, descriptors.count, newSession ? 1 : 0))
                }
            }
        }
        return Int32(pid)
    }

    /// clone3(2) like fork: returns nil in the child. Only in a process with one thread (see ``threadCount()``).
    /// - Parameters:
    ///   - flags: CLONE_NEW* and other flags of clone3 without CLONE_VM.
    ///   - cgroup: a cgroup v2 directory that the child is born in.
    ///   - asSibling: CLONE_PARENT: the child's parent is the caller's parent.
    public static func fork(
        namespaces: NamespaceKinds = [], cgroup: FileDescriptor? = nil, asSibling: Bool = false
    ) throws(SystemError) -> (pid: Int32, pidfd: FileDescriptor)? {
        var pidfd: Int32 = -1
        let flags = namespaces.rawValue | (asSibling ? 0x8000 : 0)
        let pid = try systemCall("clone3") {
            // With CLONE_PARENT the kernel takes the caller's exit signal and wants 0 here.
            Int(clinux_clone3(flags, &pidfd, asSibling ? 0 : SIGCHLD, cgroup?.raw ?? -1))
        }
        return pid == 0 ? nil : (Int32(pid), FileDescriptor(owning: pidfd))
    }

    /// Threads of this process: `/proc/self/task` has a link for each, and two of its own.
    public static func threadCount() throws(SystemError) -> Int { Int(try Files.status("/proc/self/task").links) - 2 }

    /// The process group, session or thread is none of the caller's: _exit(2) without atexit handlers.
    public static func exitNow(_ code: Int32) -> Never { _exit(code) }
}

/// Calls with a null-terminated array of C strings.
public func withCStringArray<R>(_ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> R) -> R {
    var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeBufferPointer { body($0.baseAddress!) } // never empty: the terminator is in it
}
