import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// Detached clones of everything on the host that goes into the container, made while the process is still in the
/// host's mount namespace and user namespace: later it could neither walk there nor keep propagation.
struct MountSources {
    /// In the order of the plan's mounts; nil for new file systems.
    var mounts: [FileDescriptor?] = []
    /// The layers of a plan with absolute paths; or the directory of all layers, mapped into the pod's user namespace.
    var lower: [FileDescriptor] = []
    /// The overlay's upper and work directories, mapped likewise, or the plain root.
    var writable: FileDescriptor?
    /// Host device nodes, in the order of the plan's devices; only in a user namespace, where mknod is refused.
    var devices: [FileDescriptor] = []
    /// The host's `/dev/null`, verified, to cover masked files with.
    var null: FileDescriptor

    static func open(_ plan: ContainerPlan, pod: PodContext, descriptors: [FileDescriptor]) throws(SystemError) -> MountSources {
        var sources = MountSources(null: try device("/dev/null", 1, 3))
        let user = pod.namespaces.user
        for mount in plan.mounts { sources.mounts.append(try source(of: mount, pod: pod, descriptors: descriptors)) }
        if !plan.root.writable.isEmpty {
            try Files.makeDirectory("\(plan.root.writable)/upper")
            let work = "\(plan.root.writable)/work"
            do throws(SystemError) { try Files.makeDirectory(work, exclusive: plan.root.isVolatile) } catch {
                guard error.errno == EEXIST else { throw error }
                // A volatile overlay leaves a mark in it, with which no second one is mounted.
                try Files.removeTree(work)
                try Files.makeDirectory(work)
            }
        }
        if !plan.root.lower.isEmpty {
            if needsMountedLayers(plan, pod) {
                for path in plan.root.layersDirectory.isEmpty ? plan.root.lower : [plan.root.layersDirectory] {
                    sources.lower.append(try mapped(Mounts.cloneTree(path), user))
                }
                if !plan.root.writable.isEmpty { sources.writable = try mapped(Mounts.cloneTree(plan.root.writable), user) }
            }
        } else if !plan.root.directory.isEmpty {
            sources.writable = try mapped(Mounts.cloneTree(plan.root.directory, recursive: user == nil), user)
        }
        if user != nil {
            for node in plan.devices { sources.devices.append(try device(node.path, node.major, node.minor)) }
        }
        return sources
    }

    /// True if the layers must be mounted before the overlay: with the id mapping of the pod's user namespace (which also has
    /// no right to walk to them), or to give absolute paths short names.
    static func needsMountedLayers(_ plan: ContainerPlan, _ pod: PodContext) -> Bool {
        plan.root.layersDirectory.isEmpty || pod.namespaces.user != nil
    }

    /// A detached mount with the pod's id mapping, so that root of the image is root of the container.
    private static func mapped(_ mount: FileDescriptor, _ user: FileDescriptor?) throws(SystemError) -> FileDescriptor {
        if let user {
            try Mounts.setAttributes(of: mount, set: .idMapped, propagation: .private, userNamespace: user)
        } else {
            try Mounts.setAttributes(of: mount, propagation: .private, recursive: true)
        }
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
        let propagation: MountPropagation? = switch mount.propagation {
        case .private: .private
        case .hostToContainer: .slave
        case .bidirectional: nil
        }
        let user = mount.idMapped ? pod.namespaces.user : nil
        if !mount.recursive {
            // One mount: all in one call.
            let attributes = user == nil ? mount.attributes : mount.attributes.union(.idMapped)
            if propagation != nil || !attributes.isEmpty {
                try Mounts.setAttributes(of: clone, set: attributes, propagation: propagation, userNamespace: user)
            }
            return clone
        }
        if let propagation { try Mounts.setAttributes(of: clone, propagation: propagation, recursive: true) }
        if let user { try Mounts.setAttributes(of: clone, set: .idMapped, userNamespace: user) }
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
