/// One mount of a container, in the terms of the OCI runtime specification; the shim carries them out in this order.
struct ResolvedMount: Sendable, Hashable {
    enum Kind: String, Sendable {
        case bind, proc, sysfs, tmpfs, devpts, mqueue, cgroup
        /// The pod's own, which its shim holds.
        case sharedMemory
    }

    struct Options: OptionSet, Sendable, Hashable {
        let rawValue: UInt32
        static let readOnly = Options(rawValue: 1)
        static let noSetuid = Options(rawValue: 2)
        static let noDevices = Options(rawValue: 4)
        static let noExecution = Options(rawValue: 8)
        static let strictAccessTime = Options(rawValue: 16)
        static let relativeAccessTime = Options(rawValue: 32)
        /// The bind takes the mounts below its source along.
        static let recursive = Options(rawValue: 64)
        /// Read-only for the mounts below, too (`mount_setattr` with AT_RECURSIVE).
        static let recursiveReadOnly = Options(rawValue: 128)
    }

    var destination: String
    var kind: Kind
    /// A host path for a bind, empty otherwise.
    var source = ""
    var options: Options = []
    /// The file system's own options, e.g. `mode=755,size=65536k`.
    var data = ""
    var propagation: Mount.Propagation = .private
}

/// What of its pod a container's resolution depends on.
struct PodContext: Sendable, Hashable {
    var hostname = ""
    var hostNetwork = false
    var hostPID = false
    var hostIPC = false
    var userNamespace = false
}

/// Which file systems a container sees: the defaults of the OCI runtime specification (config-linux.md) as containerd's CRI sets them.
enum MountTable {
    /// Size of `/dev/shm` of a pod, as with every runtime.
    static let sharedMemoryBytes: UInt64 = 64 << 20

    static func resolve(_ configuration: ContainerConfiguration, pod: PodContext) throws(RuntimeError) -> [ResolvedMount] {
        var given: [ResolvedMount] = []
        for mount in configuration.mounts {
            let target = normalized(mount.target)
            guard mount.target.utf8.first == UInt8(ascii: "/"), target != "/" else {
                throw RuntimeError(.invalidConfiguration, "mount target \"\(mount.target)\" of container \"\(configuration.name)\" is not usable: expected an absolute path below /")
            }
            guard mount.source.utf8.first == UInt8(ascii: "/") else {
                throw RuntimeError(.invalidConfiguration, "mount source \"\(mount.source)\" of container \"\(configuration.name)\" is not an absolute path")
            }
            var options: ResolvedMount.Options = [.recursive]
            if mount.readOnly { options.insert(.readOnly) }
            if mount.recursiveReadOnly { options.formUnion([.readOnly, .recursiveReadOnly]) }
            given.append(ResolvedMount(destination: target, kind: .bind, source: mount.source, options: options, propagation: mount.propagation))
        }
        let taken = Set(given.map(\.destination))
        let all = defaults(privileged: configuration.security.privileged, pod: pod).filter { !taken.contains($0.destination) } + given
        // A parent before its children, else it hides them; otherwise the order given counts, as in runc's users' configurations.
        return all.enumerated().sorted { ($0.element.depth, $0.offset) < ($1.element.depth, $1.offset) }.map(\.element)
    }

    private static func defaults(privileged: Bool, pod: PodContext) -> [ResolvedMount] {
        let quiet: ResolvedMount.Options = [.noSetuid, .noExecution, .noDevices]
        var kernel = quiet
        if !privileged { kernel.insert(.readOnly) }
        var mounts = [
            ResolvedMount(destination: "/proc", kind: .proc, options: quiet),
            ResolvedMount(destination: "/dev", kind: .tmpfs, options: [.noSetuid, .strictAccessTime], data: "mode=755,size=65536k"),
            ResolvedMount(destination: "/dev/pts", kind: .devpts, options: [.noSetuid, .noExecution], data: "newinstance,ptmxmode=0666,mode=0620,gid=5"),
        ]
        // A mount of the process's own IPC namespace, whichever that is.
        mounts.append(ResolvedMount(destination: "/dev/mqueue", kind: .mqueue, options: quiet))
        if pod.hostIPC {
            mounts.append(ResolvedMount(destination: "/dev/shm", kind: .bind, source: "/dev/shm", options: quiet.union(.recursive)))
        } else {
            mounts.append(ResolvedMount(destination: "/dev/shm", kind: .sharedMemory, options: quiet))
        }
        if pod.hostNetwork && pod.userNamespace {
            // sysfs shows the network namespace's devices and can only be mounted by its owner: the host's, not the pod's.
            mounts.append(ResolvedMount(destination: "/sys", kind: .bind, source: "/sys", options: kernel.union(.recursive)))
        } else {
            mounts.append(ResolvedMount(destination: "/sys", kind: .sysfs, options: kernel))
        }
        mounts.append(ResolvedMount(destination: "/sys/fs/cgroup", kind: .cgroup, options: kernel.union(.relativeAccessTime)))
        return mounts
    }

    /// Without `.`, `..` and repeated or trailing slashes. `..` is resolved by name: targets are names in a root that does not exist yet.
    static func normalized(_ path: String) -> String {
        var components: [Substring] = []
        for component in path.split(separator: "/") {
            switch component {
            case ".": continue
            case "..": _ = components.popLast()
            default: components.append(component)
            }
        }
        return "/" + components.joined(separator: "/")
    }
}

extension ResolvedMount {
    fileprivate var depth: Int { destination.utf8.count { $0 == UInt8(ascii: "/") } }
}
