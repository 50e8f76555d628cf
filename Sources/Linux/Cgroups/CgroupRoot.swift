internal import LinuxSystem

/// A controller of the kernel.
public enum CgroupController: String, Sendable, Hashable, CaseIterable {
    case cpu, cpuacct, memory, pids, cpuset, devices, freezer, hugetlb
    /// Process tracking without a limit: v1's `name=systemd`. A shim must leave the agent's service there too, or systemd
    /// counts it to the service.
    case systemd

    static let v2: [CgroupController] = [.cpuset, .cpu, .memory, .pids, .hugetlb]
}

/// Where a node's cgroups lie: the host's mount point and a sub-path of its own, so that nodes run side by side and tests
/// run on a temporary directory.
public struct CgroupRoot: Sendable, Hashable {
    public enum Version: Sendable, Hashable { case v1, v2 }

    public let version: Version
    /// Usually `/sys/fs/cgroup`.
    public let mountPoint: String
    /// Relative to the mount point of every hierarchy; empty for its top.
    public let prefix: String
    /// v1: each controller's hierarchy, absolute. v2: empty.
    let hierarchies: [CgroupController: String]
    /// v1 with an empty v2 beside it (systemd's hybrid layout): where that is mounted. It has no controllers for us, but what
    /// v2 has without any: `cgroup.kill`, `cgroup.freeze`, device programs, and tracking by systemd.
    let unified: String?
    /// v1: devices are restricted by programs in ``unified``: one call instead of a line for each rule, and a hierarchy less.
    let usesDevicePrograms: Bool
    /// v2: the controllers this root offers.
    let offered: Set<CgroupController>

    /// Finds out what the host runs.
    /// - Throws: ``CgroupError`` `notMounted` if there is no cgroup file system below `mountPoint`.
    public init(mountPoint: String = "/sys/fs/cgroup", prefix: String = "") throws(CgroupError) {
        self.mountPoint = mountPoint
        self.prefix = try Self.components(prefix).joined(separator: "/")
        do throws(SystemError) {
            if let names = try ControlFile.readIfPresent(mountPoint + "/cgroup.controllers") {
                version = .v2
                hierarchies = [:]
                unified = nil
                usesDevicePrograms = true
                offered = Set(names.split(separator: " ").compactMap { CgroupController(rawValue: String($0)) })
                return
            }
        } catch {
            throw CgroupError(error)
        }
        var hierarchies: [CgroupController: String] = [:]
        for directory in ControlFile.directories(in: mountPoint) where ControlFile.exists("\(mountPoint)/\(directory)/cgroup.procs") {
            // One hierarchy can hold several controllers: `cpu,cpuacct`.
            for name in directory.split(separator: ",") {
                if let controller = CgroupController(rawValue: String(name)) { hierarchies[controller] = "\(mountPoint)/\(directory)" }
            }
        }
        guard !hierarchies.isEmpty else {
            throw CgroupError(.notMounted, "expected cgroup v2 (cgroup.controllers) or v1 controllers in \(mountPoint), found neither")
        }
        version = .v1
        self.hierarchies = hierarchies
        unified = ControlFile.exists(mountPoint + "/unified/cgroup.controllers") ? mountPoint + "/unified" : nil
        usesDevicePrograms = unified != nil && DeviceProgram.isSupported
        offered = Set(hierarchies.keys).union(unified == nil ? [] : [.freezer]).union(usesDevicePrograms ? [.devices] : [])
    }

    /// Which interface a controller has: on v1 with a v2 beside it, the v2 one where that needs no controller.
    func version(of controller: CgroupController) -> Version {
        guard version == .v1, unified != nil else { return version }
        return controller == .freezer || controller == .devices && usesDevicePrograms ? .v2 : .v1
    }

    /// The hierarchy of a controller, absolute; nil if the host has none.
    func hierarchy(_ controller: CgroupController) -> String? {
        if version == .v2 { return mountPoint }
        return version(of: controller) == .v2 ? unified : hierarchies[controller]
    }

    /// The controllers the host offers. v2 has devices (BPF) and freezer built in.
    public var controllers: Set<CgroupController> {
        version == .v1 ? offered : offered.union([.devices, .freezer])
    }

    /// v1: true if a cgroup gets a directory in the controller's hierarchy. Each one costs a tenth of a millisecond to make,
    /// to join and to remove, a cpuset ten times that: only what has a limit, is counted, or has no better place in v2.
    func isMade(_ controller: CgroupController, _ needed: [CgroupController], tracked: Bool) -> Bool {
        switch controller {
        case .cpu, .cpuacct, .memory, .pids: true
        case .freezer: version(of: .freezer) == .v1
        case .devices: version(of: .devices) == .v1 && needed.contains(.devices)
        case .cpuset, .hugetlb: needed.contains(controller)
        case .systemd: tracked
        }
    }

    /// A cgroup below the root; nothing is made yet.
    /// - Parameter path: relative, e.g. `kubepods/burstable/pod<uid>/<container>`; empty for the root's own.
    /// - Throws: ``CgroupError`` `invalidPath`
    public func cgroup(_ path: String) throws(CgroupError) -> Cgroup {
        Cgroup(root: self, components: try Self.components(prefix) + Self.components(path))
    }

    /// The parts of a relative path. `..` would leave the root, and a line feed would forge lines of /proc/self/cgroup.
    static func components(_ path: String) throws(CgroupError) -> [String] {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        if path.isEmpty { return [] }
        for part in parts {
            guard !part.isEmpty, part != ".", part != "..", part.utf8.count <= 255, !part.utf8.contains(where: { $0 < 32 || $0 == 127 }) else {
                throw CgroupError(.invalidPath, "expected a relative cgroup path without . or .., found \"\(path)\"")
            }
        }
        return parts.map(String.init)
    }
}
