import Cgroups
import ShimProtocol

extension MountPlan {
    /// The plan of one resolved mount; several for the cgroup file systems of v1.
    static func plans(for mount: ResolvedMount, cgroup: CgroupPlaces) -> [MountPlan] {
        var plan = MountPlan(kind(of: mount), target: mount.destination)
        plan.source = mount.source
        plan.readOnly = mount.options.contains(.readOnly)
        plan.noSetUID = mount.options.contains(.noSetuid)
        plan.noDevices = mount.options.contains(.noDevices)
        plan.noExecute = mount.options.contains(.noExecution)
        plan.recursive = mount.options.contains(.recursive)
        plan.recursiveReadOnly = mount.options.contains(.recursiveReadOnly)
        plan.options = mount.data.split(separator: ",").map { option in
            let parts = option.split(separator: "=", maxSplits: 1)
            return KeyValue(String(parts[0]), parts.count == 2 ? String(parts[1]) : "")
        }
        switch mount.propagation {
        case .private: plan.propagation = .private
        case .hostToContainer: plan.propagation = .hostToContainer
        case .bidirectional: plan.propagation = .bidirectional
        }
        guard mount.kind == .cgroup, cgroup.version == .v1 else { return [plan] }
        return v1(plan, cgroup)
    }

    /// v1 as runc shows it without a cgroup namespace of the mount: a small tmpfs with the container's own directory of each hierarchy.
    private static func v1(_ plan: MountPlan, _ cgroup: CgroupPlaces) -> [MountPlan] {
        var top = plan
        top.kind = .tmpfs
        // The mount points of the hierarchies are made in it; read-only comes after, as a read-only path.
        top.readOnly = false
        top.options = [KeyValue("mode", "755"), KeyValue("size", "64k")]
        return [top] + cgroup.shown.map { shown in
            var bind = plan
            bind.kind = .bind
            bind.source = shown.directory
            bind.target = "\(plan.target)/\(shown.hierarchy)"
            return bind
        }
    }

    private static func kind(of mount: ResolvedMount) -> Kind {
        switch mount.kind {
        case .bind: .bind
        case .sharedMemory: .sharedMemory
        case .proc: .proc
        case .sysfs: .sysfs
        case .tmpfs: .tmpfs
        case .devpts: .devpts
        case .mqueue: .mqueue
        case .cgroup: .cgroup2
        }
    }
}
