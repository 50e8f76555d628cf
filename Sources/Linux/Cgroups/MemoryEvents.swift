internal import CLinux
internal import Glibc
public import LinuxSystem

/// Tells when a cgroup runs out of memory: a descriptor that becomes readable, for the caller's own event loop.
///
/// v1: an eventfd registered for memory.oom_control; v2: an inotify watch on memory.events. Both also fire when the cgroup
/// is removed, and v2 for events that killed nobody, so ask ``oomKills()`` after each.
public final class MemoryEvents: Sendable {
    /// Non-blocking; readable after an event until ``acknowledge()``.
    public let descriptor: FileDescriptor
    private let cgroup: Cgroup

    /// - Throws: ``CgroupError`` if the cgroup does not exist or the host has no memory controller.
    public init(_ cgroup: Cgroup) throws(CgroupError) {
        guard let directory = cgroup.directory(.memory) else {
            throw CgroupError(.controllerUnavailable, "expected the cgroup controller memory, found it not mounted")
        }
        self.cgroup = cgroup
        do throws(SystemError) {
            switch cgroup.root.version {
            case .v1: descriptor = try Self.register(directory)
            case .v2: descriptor = try Self.watch(directory + "/memory.events")
            }
        } catch {
            throw CgroupError(error)
        }
    }

    private static func register(_ directory: String) throws(SystemError) -> FileDescriptor {
        let event = try Descriptors.event()
        let control = try openFile(directory + "/memory.oom_control")
        try ControlFile.write("\(event.raw) \(control.raw)", to: directory + "/cgroup.event_control")
        return event
    }

    private static func watch(_ file: String) throws(SystemError) -> FileDescriptor {
        let notify = FileDescriptor(owning: Int32(try systemCall("inotify_init") { rawCall(Int32(SYS_inotify_init1), Int(O_CLOEXEC | O_NONBLOCK)) }))
        _ = try systemCall("inotify_add_watch", path: file) {
            file.withCString { rawCall(Int32(SYS_inotify_add_watch), Int(notify.raw), $0.argument, 2) }  // IN_MODIFY
        }
        return notify
    }

    /// Takes the events that have come, so that the descriptor waits for the next.
    public func acknowledge() throws(CgroupError) {
        do throws(SystemError) {
            let result = withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) {
                rawCall(Int32(SYS_read), Int(descriptor.raw), Int(bitPattern: $0.baseAddress), $0.count)
            }
            if result != -Int(EAGAIN) { _ = try systemCall("read memory events") { result } }
        } catch {
            throw CgroupError(error)
        }
    }

    /// How many processes of the cgroup the OOM killer has taken since the cgroup was made.
    public func oomKills() throws(CgroupError) -> UInt64 { try cgroup.oomKills() }
}
