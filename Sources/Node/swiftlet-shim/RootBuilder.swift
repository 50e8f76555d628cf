import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// Builds a container's file system in its own mount namespace. The working directory is the pod's staging directory.
struct RootBuilder {
    let plan: ContainerPlan
    let pod: PodContext
    let sources: MountSources

    /// Root, mounts and devices; ``finish(_:root:)`` takes away what must not be seen or written.
    func build() throws(SystemError) -> FileDescriptor {
        // Nothing that is mounted here may travel to the host; what the host mounts may still arrive in bound volumes.
        try Mounts.mount(nil, at: "/", flags: [.slave, .recursive])
        let descriptor = try stage()
        let root = ContainerRoot(descriptor: descriptor)
        for (mount, source) in zip(plan.mounts, sources.mounts) { try attach(mount, source, root) }
        for (index, device) in plan.devices.enumerated() { try make(device, index, root) }
        if plan.mounts.contains(where: { $0.kind == .tmpfs && $0.target == "/dev" }) { try makeDeviceLinks(root) }
        if !plan.process.workingDirectory.isEmpty { _ = try root.makeDirectories(plan.process.workingDirectory) }
        return descriptor
    }

    /// Layers are attached under one-letter names in a tmpfs of this namespace: overlay's options are one page at most,
    /// and nobody on the host sees any of it.
    private func stage() throws(SystemError) -> FileDescriptor {
        let staging = try Mounts.create("tmpfs", options: [("mode", "0755"), ("size", "1m")], attributes: [.noDevices, .noSetUID])
        try Mounts.attach(staging, to: nil, path: ".")
        try Mounts.changeDirectory(to: staging)
        try Files.makeDirectory("root")
        guard !plan.root.lower.isEmpty else {
            guard let tree = sources.writable else { throw SystemError(operation: "root", errno: EINVAL) }
            try Mounts.attach(tree, to: nil, path: "root")
            return try openFile("root", [.path, .directory])
        }
        var options = "lowerdir="
        for (index, layer) in sources.lower.enumerated() {
            try Files.makeDirectory("\(index)")
            try Mounts.attach(layer, to: nil, path: "\(index)")
            options += index == 0 ? "0" : ":\(index)"
        }
        if let writable = sources.writable {
            try Files.makeDirectory("w")
            try Mounts.attach(writable, to: nil, path: "w")
            options += ",upperdir=w/upper,workdir=w/work"
        }
        // Inside a user namespace overlay may not use the trusted.* attributes.
        if pod.namespaces.user != nil { options += ",userxattr" }
        try Mounts.mount("overlay", at: "root", type: "overlay", data: options)
        return try openFile("root", [.path, .directory])
    }

    private func attach(_ mount: MountPlan, _ source: FileDescriptor?, _ root: ContainerRoot) throws(SystemError) {
        let tree: FileDescriptor
        if let source { tree = source } else { tree = try create(mount) }
        let isFolder = try tree.status().kind == .directory
        let target = try isFolder ? root.makeDirectories(mount.target) : root.makeFile(mount.target)
        do throws(SystemError) { try Mounts.attach(tree, to: target) } catch {
            throw SystemError(operation: "mount \(mount.kind)", errno: error.errno, path: mount.target)
        }
        if mount.kind == .devpts {
            let folder = mount.target.split(separator: "/").dropLast().joined(separator: "/")
            try root.replace("/\(folder)/ptmx") { name, folder throws(SystemError) in try Files.symlink("pts/ptmx", at: name, in: folder) }
        }
    }

    /// A new file system, verified by its magic number before it is attached.
    private func create(_ mount: MountPlan) throws(SystemError) -> FileDescriptor {
        var options = mount.options.map { (key: $0.key, value: $0.value.isEmpty ? nil : $0.value) }
        let type: (name: String, magic: UInt64)
        switch mount.kind {
        case .proc: type = ("proc", FilesystemType.proc)
        case .sysfs: type = ("sysfs", FilesystemType.sysfs)
        case .devpts:
            type = ("devpts", FilesystemType.devpts)
            if options.isEmpty { options = [("newinstance", nil), ("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")] }
        case .mqueue: type = ("mqueue", FilesystemType.mqueue)
        case .cgroup2: type = ("cgroup2", FilesystemType.cgroup2)
        default: type = ("tmpfs", FilesystemType.tmpfs)
        }
        let tree: FileDescriptor
        do throws(SystemError) { tree = try Mounts.create(type.name, options: options, attributes: mount.attributes) } catch {
            throw SystemError(operation: "mount \(error.operation)", errno: error.errno, path: mount.target)
        }
        guard try tree.filesystemType() == type.magic else { throw SystemError(operation: "verify \(type.name)", errno: EINVAL, path: mount.target) }
        return tree
    }

    private func make(_ device: DevicePlan, _ index: Int, _ root: ContainerRoot) throws(SystemError) {
        if index < sources.devices.count {
            try Mounts.attach(sources.devices[index], to: root.makeFile(device.path))
            return
        }
        let kind: UInt32 = device.kind == .character ? 0o020000 : 0o060000
        try root.replace(device.path) { name, folder throws(SystemError) in
            try Files.makeNode(name, mode: kind | device.mode, device: Files.device(device.major, device.minor), at: folder)
            try Files.setMode(device.mode, of: name, at: folder) // past the umask
            if device.uid != 0 || device.gid != 0 { try Files.setOwner(device.uid, device.gid, of: name, at: folder) }
        }
    }

    /// Links that programs expect (OCI runtime spec, runtime-linux, dev symbolic links).
    private func makeDeviceLinks(_ root: ContainerRoot) throws(SystemError) {
        for (name, target) in [("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")] {
            try root.replace("/dev/\(name)") { name, folder throws(SystemError) in try Files.symlink(target, at: name, in: folder) }
        }
    }

    /// Masks, read-only paths, the read-only root; after everything that must be written.
    func finish(root descriptor: FileDescriptor) throws(SystemError) {
        let root = ContainerRoot(descriptor: descriptor)
        // The first cover is attached itself; the next ones are clones of it (a detached mount cannot be cloned before Linux 6.15).
        var emptyFolder: FileDescriptor?
        var null: FileDescriptor?
        for path in plan.maskedPaths {
            guard let target = try root.find(path) else { continue }
            let isFolder = try target.status().kind == .directory
            let cover: FileDescriptor
            if let attached = isFolder ? emptyFolder : null {
                cover = try Mounts.cloneTree("", at: attached)
            } else {
                cover = try isFolder ? emptyTree() : sources.null
                if isFolder { emptyFolder = cover } else { null = cover }
            }
            try named("mask", path) { () throws(SystemError) in try Mounts.attach(cover, to: target) }
        }
        for path in plan.readOnlyPaths {
            guard let target = try root.find(path) else { continue }
            try named("mount read-only", path) { () throws(SystemError) in
                let clone = try Mounts.cloneTree("", at: target, recursive: true)
                try Mounts.setAttributes(of: clone, set: .readOnly, recursive: true)
                try Mounts.attach(clone, to: target)
            }
        }
        if plan.root.readOnly { try Mounts.setAttributes(of: descriptor, set: .readOnly) }
    }

    private func emptyTree() throws(SystemError) -> FileDescriptor {
        try Mounts.create("tmpfs", options: [("size", "4k"), ("mode", "0555")], attributes: [.readOnly, .noSetUID, .noDevices, .noExecute])
    }

    private func named(_ step: String, _ path: String, _ body: () throws(SystemError) -> Void) throws(SystemError) {
        do throws(SystemError) { try body() } catch { throw SystemError(operation: step, errno: error.errno, path: path) }
    }
}
