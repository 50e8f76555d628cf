import CLinux
import Glibc

/// Kinds of namespaces; raw values are the CLONE_NEW* flags.
public struct NamespaceKinds: OptionSet, Sendable, Hashable {
    public let rawValue: UInt64
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public static let mount = NamespaceKinds(rawValue: 0x0002_0000)
    public static let cgroup = NamespaceKinds(rawValue: 0x0200_0000)
    public static let uts = NamespaceKinds(rawValue: 0x0400_0000)
    public static let ipc = NamespaceKinds(rawValue: 0x0800_0000)
    public static let user = NamespaceKinds(rawValue: 0x1000_0000)
    public static let pid = NamespaceKinds(rawValue: 0x2000_0000)
    public static let network = NamespaceKinds(rawValue: 0x4000_0000)

    /// Each kind with its file's name in `/proc/<pid>/ns`.
    public static let names: [(kind: NamespaceKinds, file: String)] = [
        (.user, "user"), (.mount, "mnt"), (.pid, "pid"), (.network, "net"), (.ipc, "ipc"), (.uts, "uts"), (.cgroup, "cgroup"),
    ]
}

/// Namespaces. `unshare` and `join` change the calling thread: use ``onOwnThread(_:)`` in any process with more than one.
public enum Namespaces {
    /// unshare(2).
    public static func unshare(_ kinds: NamespaceKinds) throws(SystemError) {
        _ = try systemCall("unshare") { rawCall(Int32(SYS_unshare), Int(kinds.rawValue)) }
    }

    /// setns(2): `descriptor` is an nsfs file, or a pidfd of a process whose namespaces of these kinds are joined at once.
    public static func join(_ descriptor: FileDescriptor, _ kinds: NamespaceKinds) throws(SystemError) {
        _ = try systemCall("setns") { rawCall(Int32(SYS_setns), Int(descriptor.raw), Int(kinds.rawValue)) }
    }

    /// Opens a pinned namespace or `/proc/<pid>/ns/<kind>` and verifies that it is one (nsfs), not a planted file.
    public static func open(_ path: String, at directory: FileDescriptor? = nil) throws(SystemError) -> FileDescriptor {
        let file = try openFile(path, at: directory)
        guard try file.filesystemType() == FilesystemType.nsfs else { throw SystemError(operation: "open namespace", errno: EINVAL, path: path) }
        return file
    }

    /// Runs `body` on a new thread that ends afterwards, so that a namespace it joins never leaks into other work.
    /// Blocks the caller: not for the cooperative pool unless `body` is short.
    public static func onOwnThread<R: Sendable>(_ body: @escaping @Sendable () -> R) throws(SystemError) -> R {
        let task = ThreadTask(body)
        var thread = pthread_t()
        let context = Unmanaged.passRetained(task)
        let error = pthread_create(&thread, nil, { raw in
            Unmanaged<ThreadWork>.fromOpaque(raw!).takeRetainedValue().run()
            return nil
        }, context.toOpaque())
        guard error == 0 else {
            context.release()
            throw SystemError(operation: "pthread_create", errno: error)
        }
        pthread_join(thread, nil)
        guard let result = task.result else { throw SystemError(operation: "thread", errno: ECANCELED) }
        return result
    }

    /// Runs `body` on a thread inside the namespaces of the file at `path`, and ends the thread.
    public static func inside<R: Sendable>(_ path: String, _ kinds: NamespaceKinds, _ body: @escaping @Sendable () throws -> R) throws -> R {
        let result = try onOwnThread { () -> Result<R, any Error> in
            Result {
                // A mount namespace cannot be joined while root and working directory are shared with other threads.
                if kinds.contains(.mount) { _ = try systemCall("unshare") { rawCall(Int32(SYS_unshare), 0x200) } }
                try join(try open(path), kinds)
                return try body()
            }
        }
        return try result.get()
    }
}

/// What the thread's C entry point can call without knowing the result's type.
private class ThreadWork {
    func run() {}
}

/// Written by the thread before it ends, read after pthread_join: that orders the two.
private final class ThreadTask<R>: ThreadWork {
    let body: () -> R
    var result: R?
    init(_ body: @escaping () -> R) { self.body = body }
    override func run() { result = body() }
}
