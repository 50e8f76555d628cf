import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// Detached clones of everything on the host that goes into the container, made while the process is still in the
/// host's mount namespace and user namespace: later it could neither walk there nor keep propagation.
struct MountSources {
    /// In the order of the plan's mounts; nil for new file systems.
    var mounts: [FileDescriptor?] = []
    var lower: [FileDescriptor] = []
    /// The overlay's upper and work directories, or the plain root.
    var writable: FileDescriptor?
    /// Host device nodes, in the order of the plan's devices; only in a user namespace, where mknod is refused.
    var devices: [FileDescriptor] = []
    /// The host's `/dev/null`, verified, to cover masked files with.
    var null: FileDescriptor

    static func open(_ plan: ContainerPlan, pod: PodContext, descriptors: [FileDescriptor]) throws(SystemError) -> MountSources {
        var sources = MountSources(null: try device("/dev/null", 1, 3))
        let user = pod.namespaces.user
        for mount in plan.mounts { sources.mounts.append(try source(of: mount, pod: pod, descriptors: descriptors)) }
        for path in plan.root.lower { sources.lower.append(try mapped(Mounts.cloneTree(path), user)) }
        if !plan.root.writable.isEmpty {
            for name in ["upper", "work"] { try Files.makeDirectory("\(plan.root.writable)/\(name)") }
            sources.writable = try mapped(Mounts.cloneTree(plan.root.writable), user)
        } else if !plan.root.directory.isEmpty {
            sources.writable = try mapped(Mounts.cloneTree(plan.root.directory, recursive: user == nil), user)
        }
        if user != nil {
            for node in plan.devices { sources.devices.append(try device(node.path, node.major, node.minor)) }
        }
        return sources
    }

    /// A detached mount with the pod's id mapping, so that root of the image is root of the container.
    private static func mapped(_ mount: FileDescriptor, _ user: FileDescriptor?) throws(SystemError) -> FileDescriptor {
        if let user { try Mounts.setAttributes(of: mount, set: .idMapped, userNamespace: user) }
        try Mounts.setAttributes(of: mount, propagation: .private, recursive: true)
        return mount
    }

    private static func source(of mount: MountPlan, pod: PodContext, descriptors: [FileDescriptor]) throws(SystemError) -> FileDescriptor? {
        let clone: FileDescriptor
        switch mount.kind {
        case .bind where mount.descriptor > 0:
            guard Int(mount.descriptor) <= descriptors.count else { throw SystemError(operation: "mount descriptor", errno: EBADF, path: mount.target) }
            clone = try Mounts.cloneTree("", at: descriptors[Int(mount.descriptor) - 1], recursive: mount.recursive)
        case .bind: clone = try Mounts.cloneTree(mount.source, recursive: mount.recursive)
        case .sharedMemory: clone = try Mounts.cloneTree(pod.sharedMemory)
        default: return nil
        }
        switch mount.propagation {
        case .private: try Mounts.setAttributes(of: clone, propagation: .private, recursive: true)
        case .hostToContainer: try Mounts.setAttributes(of: clone, propagation: .slave, recursive: true)
        case .bidirectional: break
        }
        if mount.idMapped, let user = pod.namespaces.user { try Mounts.setAttributes(of: clone, set: .idMapped, userNamespace: user) }
        let attributes = mount.attributes
        if !attributes.isEmpty { try Mounts.setAttributes(of: clone, set: attributes.subtracting(.readOnly)) }
        if mount.readOnly { try Mounts.setAttributes(of: clone, set: .readOnly, recursive: mount.recursiveReadOnly) }
        return clone
    }

    /// Clones a host device and verifies what it is: a path alone can be a planted file (CVE-2025-31133).
    static func device(_ path: String, _ major: UInt32, _ minor: UInt32) throws(SystemError) -> FileDescriptor {
        let clone = try Mounts.cloneTree(path)
        let status = try clone.status()
        guard status.kind == .characterDevice || status.kind == .blockDevice, status.deviceMajor == major, status.deviceMinor == minor else {
            throw SystemError(operation: "verify device \(major):\(minor)", errno: ENODEV, path: path)
        }
        return clone
    }
}

extension MountPlan {
    /// What the plan asks for, and what such a file system never needs to allow.
    var attributes: MountAttributes {
        var attributes: MountAttributes = []
        if readOnly { attributes.insert(.readOnly) }
        if noSetUID { attributes.insert(.noSetUID) }
        if noDevices { attributes.insert(.noDevices) }
        if noExecute { attributes.insert(.noExecute) }
        switch kind {
        case .proc, .sysfs, .mqueue, .cgroup2: attributes.formUnion([.noSetUID, .noDevices, .noExecute])
        case .devpts: attributes.formUnion([.noSetUID, .noExecute])
        default: break
        }
        return attributes
    }
}
