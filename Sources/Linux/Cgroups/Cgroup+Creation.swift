internal import Glibc
internal import LinuxSystem

/// Where a cgroup lies in the file system once it has been made: what a process needs to get into it.
public struct CgroupDirectories: Sendable, Hashable {
    /// One directory for each v1 hierarchy. A process with one thread moves itself by `0` in its file `tasks`: unlike
    /// `cgroup.procs` that does not wait for a grace period of the kernel (milliseconds), since Linux 5.5.
    public var v1: [String] = []
    /// The v2 directory, on a v2 host and on one that has both. Moving into it always waits for a grace period: a process is
    /// better born in it, by clone3's CLONE_INTO_CGROUP.
    public var v2: String?
    /// That of the memory controller, one of the above.
    public var memory: String?

    public init(v1: [String] = [], v2: String? = nil, memory: String? = nil) { (self.v1, self.v2, self.memory) = (v1, v2, memory) }

    public var all: [String] { v1 + (v2.map { [$0] } ?? []) }
}

extension Cgroup {
    /// Makes the cgroup and its parents, and sets the limits. Idempotent.
    /// - Parameter tracked: also in v1's `name=systemd`: for what must leave the agent's service there. Its children, which
    ///   never move there, are out of it as well.
    /// - Throws: ``CgroupError``; what was made stays, for ``remove(deadline:)``.
    @discardableResult
    public func create(_ resources: CgroupResources = .init(), tracked: Bool = false) throws(CgroupError) -> CgroupDirectories {
        let made: CgroupDirectories
        do throws(SystemError) {
            switch root.version {
            case .v1: made = try createV1(resources, tracked: tracked)
            case .v2: made = try createV2()
            }
        } catch {
            throw CgroupError(error)
        }
        try update(resources)
        return made
    }

    private func createV1(_ resources: CgroupResources, tracked: Bool) throws(SystemError) -> CgroupDirectories {
        let needed = resources.neededControllers
        var made = CgroupDirectories()
        for (controller, hierarchy) in root.hierarchies where root.isMade(controller, needed, tracked: tracked) {
            let directory = directory(in: hierarchy)
            if controller == .memory { made.memory = directory }
            guard !made.v1.contains(directory) else { continue }
            if controller == .cpuset {
                try makeCpuset(hierarchy)
            } else {
                try Self.make(directory)
            }
            made.v1.append(directory)
        }
        if let unified = root.unified {
            made.v2 = directory(in: unified)
            try Self.make(directory(in: unified))
        }
        made.v1.sort()
        return made
    }

    /// The parents nearly always exist, so the directory itself is tried first.
    private static func make(_ directory: String) throws(SystemError) {
        do throws(SystemError) { try Files.makeDirectories(directory) } catch {
            // A parent that is being removed by somebody else is made again once.
            guard error.errno == ENOENT else { throw error }
            try Files.makeDirectories(directory)
        }
    }

    private func makeCpuset(_ hierarchy: String) throws(SystemError) {
        var directory = hierarchy
        for component in components {
            directory += "/" + component
            try Files.makeDirectory(directory)
            try CpusetController.inherit(into: directory)
        }
    }

    /// Controllers are handed down from the top: a directory has the files of a controller only if its parent enables it.
    private func createV2() throws(SystemError) -> CgroupDirectories {
        let wanted = CgroupController.v2.filter(root.offered.contains)
        var directory = root.mountPoint
        for component in components {
            try Self.enable(wanted, in: directory)
            directory += "/" + component
            try Files.makeDirectory(directory)
        }
        return CgroupDirectories(v2: directory, memory: root.offered.contains(.memory) ? directory : nil)
    }

    private static func enable(_ wanted: [CgroupController], in directory: String) throws(SystemError) {
        let file = directory + "/cgroup.subtree_control"
        let enabled = try ControlFile.read(file).split(separator: " ")
        // Enabled by an earlier cgroup: nearly always.
        if wanted.allSatisfy({ controller in enabled.contains { $0 == controller.rawValue } }) { return }
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
}
