import Cgroups

/// Where a cgroup that has been made lies in the file system, for plans: the shim knows directories, not hierarchies.
struct CgroupPlaces: Sendable, Hashable {
    /// One on v2, one for each hierarchy on v1.
    var directories: [String]
    /// The v2 one of them: processes are born in it. Empty: there is none.
    var birth: String
    /// `memory.events` (v2) or `memory.oom_control` (v1); empty without a memory controller.
    var oomEvents: String
    var version: CgroupRoot.Version
    /// v1: the directories that are shown below /sys/fs/cgroup, with their hierarchies' names.
    var shown: [Shown]

    struct Shown: Sendable, Hashable {
        var hierarchy: String
        var directory: String
    }

    init(directories: [String], birth: String = "", oomEvents: String, version: CgroupRoot.Version, shown: [Shown] = []) {
        (self.directories, self.birth, self.oomEvents, self.version, self.shown) = (directories, birth, oomEvents, version, shown)
    }

    init(_ made: CgroupDirectories, root: CgroupRoot) {
        let file = root.version == .v2 ? "memory.events" : "memory.oom_control"
        self.init(
            directories: made.all, birth: made.v2 ?? "", oomEvents: made.memory.map { "\($0)/\(file)" } ?? "", version: root.version,
            shown: made.v1.map { Shown(hierarchy: String($0.dropFirst(root.mountPoint.utf8.count + 1).prefix { $0 != "/" }), directory: $0) })
    }

    /// Without the hierarchies of v1 in which a shim may stay where it was born. Limits and the service manager's tracking are
    /// what it must leave.
    var forShims: CgroupPlaces {
        guard version == .v1 else { return self }
        let left = Set(shown.filter { Set($0.hierarchy.split(separator: ",")).isDisjoint(with: ["memory", "cpu", "pids", "systemd"]) }.map(\.directory))
        return CgroupPlaces(directories: directories.filter { !left.contains($0) }, birth: birth, oomEvents: oomEvents, version: version, shown: shown)
    }
}
