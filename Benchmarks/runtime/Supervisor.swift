import Cgroups
import LinuxSystem

/// Runs the measurement as a child and takes away whatever it, crun and runc leave: cgroups in every hierarchy, mounts, files.
struct Supervisor {
    private let options: Options
    private let base = "/tmp/swiftlet-bench-\(UInt32.random(in: 0 ... .max))"

    init(_ options: Options) { self.options = options }

    func run() throws {
        try Files.makeDirectory(base, mode: 0o711, exclusive: true)
        let result = Result { try measure() }
        try cleanUp()
        guard try result.get() == 0 else { throw BenchmarkError("the measurement ended with \(try result.get())") }
    }

    private func measure() throws -> Int32 {
        let null = try openFile("/dev/null", .readWrite)
        let pid = try Processes.spawn(
            Options.program(beside: ""), arguments: CommandLine.arguments + ["--base", base], environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            descriptors: [null.raw, 1, 2])
        return try Processes.wait(.pid(pid), blocking: true)?.code ?? -1
    }

    private func cleanUp() throws {
        let name = String(base.dropFirst("/tmp/".count))
        try CgroupRoot(prefix: name).cgroup("").kill()
        // Not only those of the controllers that the node uses: crun and runc join every hierarchy there is.
        for directory in ["/sys/fs/cgroup"] + (try Files.list("/sys/fs/cgroup").filter { $0.kind == .directory }.map { "/sys/fs/cgroup/\($0.name)" }) {
            try Self.removeCgroups("\(directory)/\(name)")
        }
        try? Mounts.unmount(base + "/run", detach: true) // not mounted, if the measurement did not get that far
        try Files.removeTree(base)
    }

    /// The files of a cgroup go with its directory; its children do not. The kernel may take a moment to let go of dead processes.
    private static func removeCgroups(_ directory: String) throws {
        guard Files.exists(directory) else { return }
        for entry in try Files.list(directory) where entry.kind == .directory { try removeCgroups("\(directory)/\(entry.name)") }
        let deadline = Clocks.monotonic() + 5_000_000_000
        while true {
            do throws(SystemError) { return try Files.remove(directory, folder: true) } catch {
                guard error.errno == 16, Clocks.monotonic() < deadline else { throw error } // EBUSY
                _ = try Poller().wait(milliseconds: 5)
            }
        }
    }
}

/// CPU time of everything that a contestant makes run: this process and all it starts are in one cgroup.
struct CPUMeter {
    private let top: Cgroup

    init(prefix: String) throws {
        let root = try CgroupRoot(prefix: prefix)
        top = try root.cgroup("")
        // A leaf: on v2 a cgroup with children holds no processes itself.
        let own = try root.cgroup("agent")
        try own.create()
        try own.add(Int32(Files.readLink("/proc/self")) ?? 0)
    }

    func nanoseconds() throws -> UInt64 {
        guard let usage = try top.statistics().cpuUsage else { throw BenchmarkError("expected a CPU controller that counts, found none") }
        return usage
    }
}

/// crun 1.8 does not start where a v2 hierarchy is mounted beside v1, and runc makes cgroups in it: both run in a mount
/// namespace with an empty tmpfs in its place, which takes what they leave there along when it ends.
final class PeerNamespace: Sendable {
    private let descriptor: FileDescriptor

    init() throws {
        descriptor = try Namespaces.onOwnThread { () -> Result<FileDescriptor, any Error> in
            Result {
                try Namespaces.unshare(.mount)
                try Mounts.mount(nil, at: "/", flags: [.private, .recursive])
                if Files.exists("/sys/fs/cgroup/unified/cgroup.procs") {
                    try Mounts.unmount("/sys/fs/cgroup/unified", detach: true)
                    try Mounts.mount("tmpfs", at: "/sys/fs/cgroup/unified", type: "tmpfs")
                }
                return try Namespaces.open("/proc/thread-self/ns/mnt")
            }
        }.get()
    }

    /// Runs the body on a thread of its own inside.
    func inside<R: Sendable>(_ body: @escaping @Sendable () throws -> R) throws -> R {
        try Namespaces.inside("/proc/self/fd/\(descriptor.raw)", .mount, body)
    }
}
