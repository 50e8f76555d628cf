import CLinux
import Glibc
import LinuxSystem

/// How a process gets into its cgroups without waiting for the kernel.
///
/// A write to `cgroup.procs` locks out every fork and exit on the machine, which takes a grace period: milliseconds, more than
/// all else that a start needs. Two ways have no such lock: to be cloned into a v2 cgroup, and on v1 to move one thread, which
/// is all that these processes have, by `tasks` (Linux 5.5).
struct CgroupMembership {
    private let directories: [String]
    private let birth: String

    init(_ directories: [String], birth: String) { (self.directories, self.birth) = (directories, birth) }

    /// For the parent's clone: the directory that the child is born in.
    func openBirth() throws(SystemError) -> FileDescriptor? { birth.isEmpty ? nil : try openFile(birth, [.path, .directory]) }

    /// Joins all but the one it was born in. By `0`, the writer: true in every PID namespace.
    func join() throws(SystemError) {
        for path in directories where path != birth {
            do throws(SystemError) { try Files.writeExisting("0", to: "\(path)/tasks") } catch {
                // v2 has no such file: a plan of an agent that names no birthplace.
                guard error.errno == ENOENT else { throw error }
                try Files.writeExisting("0", to: "\(path)/cgroup.procs")
            }
        }
    }
}
