import Cgroups
import LinuxSystem

/// Where a cgroup that has been made lies in the file system, for plans: the shim knows directories, not hierarchies.
struct CgroupPlaces: Sendable, Hashable {
    /// One on v2, one for each hierarchy on v1.
    var directories: [String]
    /// `memory.events` (v2) or `memory.oom_control` (v1); empty without a memory controller.
    var oomEvents: String
    var version: CgroupRoot.Version
    /// The hierarchies' names below the mount point, beside `directories` (v1).
    var hierarchies: [String]

    init(_ cgroup: Cgroup) {
        let suffix = "/cgroup.procs"
        directories = cgroup.processFiles().map { String($0.dropLast(suffix.count)) }
        version = cgroup.root.version
        let file = version == .v2 ? "memory.events" : "memory.oom_control"
        oomEvents = directories.lazy.map { "\($0)/\(file)" }.first(where: { Files.exists($0) }) ?? ""
        let mountPoint = cgroup.root.mountPoint
        hierarchies = directories.map { directory in
            String(directory.dropFirst(mountPoint.count + 1).prefix { $0 != "/" })
        }
    }

    /// Without the hierarchies of v1 in which a shim may stay where it was born: each one it joins waits for a grace period of
    /// the kernel. Limits and the service manager's tracking are what it must leave.
    var forShims: CgroupPlaces {
        guard version == .v1 else { return self }
        let chosen = zip(directories, hierarchies).filter { !Set($1.split(separator: ",")).isDisjoint(with: ["memory", "cpu", "pids", "systemd"]) }
        return CgroupPlaces(directories: chosen.map(\.0), oomEvents: oomEvents, version: version, hierarchies: chosen.map(\.1))
    }

    init(directories: [String], oomEvents: String, version: CgroupRoot.Version, hierarchies: [String]) {
        self.directories = directories
        self.oomEvents = oomEvents
        self.version = version
        self.hierarchies = hierarchies
    }
}
