import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// Builds a container's file system in its own mount namespace. The working directory is the pod's staging directory.
struct RootBuilder {
    let plan: ContainerPlan
    let pod: PodContext
    let sources: MountSources
    private let fresh = FreshFolders()

    /// Root, mounts and devices; ``finish(_:root:)`` takes away what must not be seen or written.
    func build() throws(SystemError) -> FileDescriptor {
        // Nothing that is mounted here may travel to the host; what the host mounts may still arrive in bound volumes.
        try Mounts.mount(nil, at: "/", flags: [.slave, .recursive])
        let descriptor = try stage()
        let root = ContainerRoot(descriptor: descriptor)
        for (mount, source) in zip(plan.mounts, sources.mounts) { try attach(mount, source, root) }
        for (index, device) in plan.devices.enumerated() { try make(device, index, root) }
        if plan.mounts.contains(where: { $0.kind == .tmpfs && $0.target == "/dev" }) { try makeDeviceLinks(root) }
        if !plan.process.workingDirectory.isEmpty, plan.process.workingDirectory != "/" { _ = try root.makeDirectories(plan.process.workingDirectory) }
        return descriptor
    }

    /// The root, mounted on the staging directory of this mount namespace: nobody on the host sees any of it.
    private func stage() throws(SystemError) -> FileDescriptor {
        if plan.root.lower.isEmpty {
            guard let tree = sources.writable else { throw SystemError(operation: "root", errno: EINVAL) }
            try stageTemporary()
            try Mounts.attach(tree, to: nil, path: "root")
            return try openFile("root", [.path, .directory])
        }
        return try MountSources.needsMountedLayers(plan, pod) ? stageMountedLayers() : stageLayers()
    }

    /// The working directory is the layers' own, so that their names are short, and the writable directory is a descriptor: the
    /// options fit in a page, and the container's /proc/self/mountinfo does not show where on the host they lie.
    private func stageLayers() throws(SystemError) -> FileDescriptor {
        let writable = plan.root.writable.isEmpty ? nil : try openFile(plan.root.writable, [.path, .directory])
        try Mounts.changeDirectory(to: plan.root.layersDirectory)
        try mountOverlay(plan.root.lower, writable: writable.map { "/proc/self/fd/\($0.raw)" }, at: pod.staging)
        try Mounts.changeDirectory(to: "/")
        return try openFile(pod.staging, [.path, .directory])
    }

    /// In a user namespace, or for a plan without a layers directory: everything is attached in a tmpfs under short names.
    private func stageMountedLayers() throws(SystemError) -> FileDescriptor {
        try stageTemporary()
        var names = plan.root.lower
        if plan.root.layersDirectory.isEmpty { names = names.indices.map { "\($0)" } }
        for (index, layer) in sources.lower.enumerated() {
            let name = plan.root.layersDirectory.isEmpty ? "\(index)" : "l"
            try Files.makeDirectory(name)
            try Mounts.attach(layer, to: nil, path: name)
        }
        if let writable = sources.writable {
            try Files.makeDirectory("w")
            try Mounts.attach(writable, to: nil, path: "w")
        }
        let staging = try openFile(".", [.path, .directory])
        if !plan.root.layersDirectory.isEmpty { try Mounts.changeDirectory(to: "l") }
        let top = plan.root.layersDirectory.isEmpty ? "" : "../"
        try mountOverlay(names, writable: sources.writable == nil ? nil : top + "w", at: top + "root")
        return try openFile("root", [.path, .directory], at: staging)
    }

    /// A tmpfs on the staging directory, with a place for the root, as the working directory: from inside a user namespace the
    /// staging directory can be reached as the working directory alone.
    private func stageTemporary() throws(SystemError) {
        let staging = try Mounts.create("tmpfs", options: [("mode", "0755"), ("size", "1m")], attributes: [.noDevices, .noSetUID])
        try Mounts.attach(staging, to: nil, path: ".")
        try Mounts.changeDirectory(to: staging)
        try Files.makeDirectory("root")
    }

    private func mountOverlay(_ layers: [String], writable: String?, at target: String) throws(SystemError) {
        var options = "lowerdir=" + layers.joined(separator: ":")
        if let writable { options += ",upperdir=\(writable)/upper,workdir=\(writable)/work" + (plan.root.isVolatile ? ",volatile" : "") }
        // Inside a user namespace overlay may not use the trusted.* attributes.
        if pod.namespaces.user != nil { options += ",userxattr" }
        // The kernel would cut them off in silence.
        guard options.utf8.count < 4096 else { throw SystemError(operation: "mount overlay of \(layers.count) layers (its options exceed a page)", errno: E2BIG) }
        try Mounts.mount("overlay", at: target, type: "overlay", data: options)
    }

    private func attach(_ mount: MountPlan, _ source: FileDescriptor?, _ root: ContainerRoot) throws(SystemError) {
        let tree: FileDescriptor
        if let source { tree = source } else { tree = try create(mount) }
        var isFolder = true
        if source != nil { isFolder = try tree.status().kind == .directory }
        do throws(SystemError) {
            if isFolder, let place = fresh.place(of: mount.target) {
                try Files.makeDirectory(place.name, at: place.folder)
                try Mounts.attach(tree, to: place.folder, path: place.name)
            } else {
                try Mounts.attach(tree, to: isFolder ? root.makeDirectories(mount.target) : root.makeFile(mount.target))
            }
        } catch {
            throw SystemError(operation: "mount \(mount.kind)", errno: error.errno, path: mount.target)
        }
        fresh.cover(mount.target)
        if mount.kind == .tmpfs { fresh.add(mount.target, tree) }
        if mount.kind == .devpts {
            let folder = mount.target.split(separator: "/").dropLast().joined(separator: "/")
            try place("/\(folder)/ptmx", root) { name, folder throws(SystemError) in try Files.symlink("pts/ptmx", at: name, in: folder) }
        }
    }

    /// Makes a node or a link, in the place of whatever the image has there.
    private func place(_ path: String, _ root: ContainerRoot, _ make: (_ name: String, _ folder: FileDescriptor) throws(SystemError) -> Void) throws(SystemError) {
        if let place = fresh.place(of: path) {
            do throws(SystemError) { return try make(place.name, place.folder) } catch {
                guard error.errno == EEXIST else { throw SystemError(operation: error.operation, errno: error.errno, path: path) }
            }
        }
        try root.replace(path, make)
    }

    /// A new file system. That it is what the plan asks for needs no check: it never had a path.
    private func create(_ mount: MountPlan) throws(SystemError) -> FileDescriptor {
        var options = mount.options.map { (key: $0.key, value: $0.value.isEmpty ? nil : $0.value) }
        let type: String
        switch mount.kind {
        case .proc: type = "proc"
        case .sysfs: type = "sysfs"
        case .devpts:
            type = "devpts"
            if options.isEmpty { options = [("newinstance", nil), ("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")] }
        case .mqueue: type = "mqueue"
        case .cgroup2: type = "cgroup2"
        default: type = "tmpfs"
        }
        do throws(SystemError) { return try Mounts.create(type, options: options, attributes: mount.attributes) } catch {
            throw SystemError(operation: "mount \(error.operation)", errno: error.errno, path: mount.target)
        }
    }

    private func make(_ device: DevicePlan, _ index: Int, _ root: ContainerRoot) throws(SystemError) {
        if index < sources.devices.count {
            try Mounts.attach(sources.devices[index], to: root.makeFile(device.path))
            return
        }
        let kind: UInt32 = device.kind == .character ? 0o020000 : 0o060000
        try place(device.path, root) { name, folder throws(SystemError) in
            try Files.makeNode(name, mode: kind | device.mode, device: Files.device(device.major, device.minor), at: folder)
            if device.uid != 0 || device.gid != 0 { try Files.setOwner(device.uid, device.gid, of: name, at: folder) }
        }
    }

    /// Links that programs expect (OCI runtime spec, runtime-linux, dev symbolic links).
    private func makeDeviceLinks(_ root: ContainerRoot) throws(SystemError) {
        for (name, target) in [("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")] {
            try place("/dev/\(name)", root) { name, folder throws(SystemError) in try Files.symlink(target, at: name, in: folder) }
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

/// File systems of a container that nobody but the shim has written to yet. A name directly in one can lead nowhere else: it
/// needs no confined look-up.
private final class FreshFolders {
    private var folders: [String: FileDescriptor] = [:]

    /// - Parameter path: as the plan has it, without `.`, `..` and repeated slashes; another spelling is never found.
    func add(_ path: String, _ tree: FileDescriptor) { folders[path] = tree }

    /// Something is mounted there: what was known at and below it is out of reach.
    func cover(_ path: String) {
        for known in Array(folders.keys) where known == path || known.hasPrefix(path + "/") { folders[known] = nil }
    }

    func place(of path: String) -> (folder: FileDescriptor, name: String)? {
        guard let slash = path.lastIndex(of: "/"), let folder = folders[String(path[..<slash])] else { return nil }
        let name = String(path[path.index(after: slash)...])
        return name.isEmpty || name == "." || name == ".." ? nil : (folder, name)
    }
}
