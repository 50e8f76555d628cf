internal import CLinux
internal import Glibc
internal import LinuxSystem

/// One cgroup of a node: a directory on v2, one in each hierarchy on v1. A value; the kernel holds the state.
///
/// Its calls block for microseconds, ``kill(deadline:)`` and ``remove(deadline:)`` for as long as processes take to die:
/// those belong on a thread of their own.
public struct Cgroup: Sendable, Hashable {
    public let root: CgroupRoot
    /// Below the mount point, the root's prefix included.
    let components: [String]

    /// Relative to the mount point, the root's prefix included: what /proc/<pid>/cgroup shows without the leading slash.
    public var path: String { components.joined(separator: "/") }

    /// A cgroup inside this one.
    public func child(_ name: String) throws(CgroupError) -> Cgroup {
        Cgroup(root: root, components: components + (try CgroupRoot.components(name)))
    }

    func directory(in hierarchy: String) -> String { path.isEmpty ? hierarchy : "\(hierarchy)/\(path)" }

    /// v2: the directory, whatever the controller; v1: that in the controller's hierarchy, nil if the host has none.
    func directory(_ controller: CgroupController) -> String? { root.hierarchy(controller).map(directory(in:)) }

    /// Every directory this cgroup could have, each hierarchy once, in a stable order.
    var directories: [String] {
        guard root.version == .v1 else { return [directory(in: root.mountPoint)] }
        let hierarchies = Set(root.hierarchies.values).union(root.unified.map { [$0] } ?? [])
        return hierarchies.sorted().map(directory(in:))
    }

    /// True if it exists in any hierarchy.
    public var exists: Bool { directories.contains(where: ControlFile.exists) }

    // MARK: Changing

    /// Sets the limits that are not nil.
    /// - Throws: ``CgroupError`` `controllerUnavailable`, `invalidValue` or `kernelRefused`
    public func update(_ resources: CgroupResources) throws(CgroupError) {
        for controller in resources.neededControllers {
            guard let directory = directory(controller), root.controllers.contains(controller) else {
                throw CgroupError(.controllerUnavailable, "expected the cgroup controller \(controller.rawValue), found it neither mounted nor enabled")
            }
            do throws(SystemError) {
                switch controller {
                case .cpu: try CPUController.apply(resources, in: directory, root.version)
                case .cpuset: try CpusetController.apply(resources, in: directory)
                case .memory: try MemoryController.apply(resources, in: directory, root.version)
                case .pids: try PidsController.apply(resources, in: directory)
                case .hugetlb: try HugetlbController.apply(resources, in: directory, root.version)
                case .devices: try DevicesController.apply(resources, in: directory, root.version(of: .devices))
                case .cpuacct, .freezer, .systemd: break
                }
            } catch {
                throw CgroupError(error)
            }
        }
    }

    /// Keeps what the kernel switches on for the first cgroup with restricted devices switched on, as long as this one exists;
    /// for a cgroup that lives long and restricts nothing.
    public func keepDeviceProgramsActive() throws(CgroupError) {
        guard root.usesDevicePrograms, let directory = directory(.devices) else { return }
        do throws(SystemError) { try DeviceProgram.hold(in: directory) } catch { throw CgroupError(error) }
    }

    // MARK: Joining

    /// The files into which a process writes `0` to move itself here, those that exist now.
    public func processFiles() -> [String] {
        directories.map { $0 + "/cgroup.procs" }.filter(ControlFile.exists)
    }

    /// Moves a process here.
    public func add(_ pid: Int32) throws(CgroupError) {
        do throws(SystemError) {
            for file in processFiles() { try ControlFile.write(String(pid), to: file) }
        } catch {
            throw CgroupError(error)
        }
    }

    // MARK: Removing

    /// Removes the cgroup and everything inside it. Its processes must be gone. Idempotent.
    /// - Parameter deadline: how long a cgroup may stay busy with processes that are already dead: there is no event for
    ///   the moment when the kernel lets go of them.
    public func remove(deadline: Duration = .seconds(5)) throws(CgroupError) {
        let end = Deadline(after: deadline)
        for directory in directories {
            try Self.remove(directory, until: end)
        }
    }

    /// Removes the cgroup if it has neither processes nor cgroups inside, by no more than one call for each hierarchy.
    /// - Returns: false if something is in it; a part of its directories may be gone then.
    public func removeIfEmpty() throws(CgroupError) -> Bool {
        for directory in directories {
            let result = Self.removeDirectory(directory)
            if result == -Int(EBUSY) || result == -Int(ENOTEMPTY) { return false }
            guard result == 0 else { throw CgroupError(SystemError(operation: "rmdir", errno: Int32(-result), path: directory)) }
        }
        return true
    }

    /// 0 also if it is not there, or a negative errno.
    private static func removeDirectory(_ directory: String) -> Int {
        let result = directory.withCString { rawCall(Int32(SYS_unlinkat), Int(AT_FDCWD), $0.argument, Int(AT_REMOVEDIR)) }
        return result == -Int(ENOENT) ? 0 : result
    }

    private static func remove(_ directory: String, until end: Deadline) throws(CgroupError) {
        var pause: UInt32 = 200
        while true {
            let result = removeDirectory(directory)
            if result == 0 { return }
            let error = SystemError(operation: "rmdir", errno: Int32(-result), path: directory)
            guard error.errno == EBUSY || error.errno == ENOTEMPTY else { throw CgroupError(error) }
            // The kernel has one word for children and for processes.
            let children = ControlFile.directories(in: directory)
            for name in children { try remove("\(directory)/\(name)", until: end) }
            if !children.isEmpty { continue }
            guard !end.hasPassed else {
                throw CgroupError(.timedOut, "expected \(directory) to be empty, found it busy", cause: error)
            }
            usleep(pause)
            pause = min(pause * 2, 20_000)
        }
    }
}
