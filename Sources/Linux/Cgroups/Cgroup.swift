internal import CLinux
internal import Glibc
public import LinuxSystem

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
    func directory(_ controller: CgroupController) -> String? {
        root.version == .v2 ? directory(in: root.mountPoint) : root.hierarchies[controller].map(directory(in:))
    }

    /// Every directory this cgroup could have, each hierarchy once, in a stable order.
    var directories: [String] {
        guard root.version == .v1 else { return [directory(in: root.mountPoint)] }
        let hierarchies = Set(root.hierarchies.values).union(root.unified.map { [$0] } ?? [])
        return hierarchies.sorted().map(directory(in:))
    }

    /// True if it exists in any hierarchy.
    public var exists: Bool { directories.contains(where: ControlFile.exists) }

    // MARK: Making and changing

    /// Makes the cgroup and its parents, and sets the limits. Idempotent.
    /// - Throws: ``CgroupError``; what was made stays, for ``remove(deadline:)``.
    public func create(_ resources: CgroupResources = .init()) throws(CgroupError) {
        do throws(SystemError) {
            switch root.version {
            case .v1: try createV1(resources)
            case .v2: try createV2()
            }
        } catch {
            throw CgroupError(error)
        }
        try update(resources)
    }

    private func createV1(_ resources: CgroupResources) throws(SystemError) {
        let needed = resources.neededControllers
        var made = Set<String>()
        for (controller, hierarchy) in root.hierarchies where controller.isAlwaysMade || needed.contains(controller) {
            guard made.insert(hierarchy).inserted else { continue }
            var directory = hierarchy
            for component in components {
                directory += "/" + component
                try Files.makeDirectory(directory)
                if controller == .cpuset { try CpusetController.inherit(into: directory) }
            }
        }
        if let unified = root.unified {
            var directory = unified
            for component in components {
                directory += "/" + component
                try Files.makeDirectory(directory)
            }
        }
    }

    /// Controllers are handed down from the top: a directory has the files of a controller only if its parent enables it.
    private func createV2() throws(SystemError) {
        let wanted = CgroupController.v2.filter(root.offered.contains)
        var directory = root.mountPoint
        for component in components {
            try Self.enable(wanted, in: directory)
            directory += "/" + component
            try Files.makeDirectory(directory)
        }
    }

    private static func enable(_ wanted: [CgroupController], in directory: String) throws(SystemError) {
        let file = directory + "/cgroup.subtree_control"
        let enabled = try ControlFile.read(file).split(separator: " ")
        let available = try ControlFile.read(directory + "/cgroup.controllers").split(separator: " ")
        let missing = wanted.map(\.rawValue).filter { name in
            !enabled.contains { $0 == name } && available.contains { $0 == name }
        }
        guard !missing.isEmpty else { return }
        do throws(SystemError) {
            try ControlFile.write(missing.map { "+" + $0 }.joined(separator: " "), to: file)
        } catch {
            // The no-internal-process rule: say what it means, the errno does not.
            throw error.errno == EBUSY ? error.during("enable controllers while processes are in the parent cgroup") : error
        }
    }

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
                case .devices: try DevicesController.apply(resources, in: directory, root.version)
                case .cpuacct, .freezer, .systemd: break
                }
            } catch {
                throw CgroupError(error)
            }
        }
    }

    // MARK: Joining

    /// The files into which a process writes `0` to move itself here, those that exist now.
    public func processFiles() -> [String] {
        directories.map { $0 + "/cgroup.procs" }.filter(ControlFile.exists)
    }

    /// v2: the directory, opened for `CLONE_INTO_CGROUP`; nil on v1.
    public func openDirectory() throws(CgroupError) -> FileDescriptor? {
        guard root.version == .v2 else { return nil }
        do throws(SystemError) {
            return try openFile(directory(in: root.mountPoint), [.path, .directory])
        } catch {
            throw CgroupError(error)
        }
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

    private static func remove(_ directory: String, until end: Deadline) throws(CgroupError) {
        for name in ControlFile.directories(in: directory) { try remove("\(directory)/\(name)", until: end) }
        var pause: UInt32 = 200
        while true {
            let result = directory.withCString { rawCall(Int32(SYS_unlinkat), Int(AT_FDCWD), $0.argument, Int(AT_REMOVEDIR)) }
            if result == 0 || result == -Int(ENOENT) { return }
            let error = SystemError(operation: "rmdir", errno: Int32(-result), path: directory)
            guard error.errno == EBUSY else { throw CgroupError(error) }
            guard !end.hasPassed else {
                throw CgroupError(.timedOut, "expected \(directory) to be empty, found it busy", cause: error)
            }
            usleep(pause)
            pause = min(pause * 2, 20_000)
        }
    }
}
