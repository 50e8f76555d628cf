internal import KubeTypes
internal import Runtime

/// The mounts of one container: its volumes, and the files that the kubelet manages for it. Blocks.
struct MountBuilder {
    var manifest: PodManifest
    var container: Container
    var attempt: UInt32
    var addresses: [String]
    /// The container's environment, for `subPathExpr`.
    var environment: [String: String]
    var services: PodServices

    private var directory: String { services.store.directory(manifest.uid) }

    func build() throws -> [Mount] {
        let subPaths = "\(directory)/volume-subpaths/\(container.name)"
        // Those of earlier instances: nothing uses them any more.
        try services.volumes.mounter.unmountAll(under: subPaths)
        try HostFiles.remove(subPaths)
        var mounts: [Mount] = []
        for (index, mount) in container.volumeMounts.enumerated() { mounts.append(try self.mount(mount, subPaths + "/\(attempt)/\(index)")) }
        let taken = Set(mounts.map(\.target))
        mounts += try managedFiles().filter { !taken.contains($0.target) }
        return mounts
    }

    private func mount(_ mount: VolumeMount, _ subPathTarget: String) throws -> Mount {
        guard let volume = manifest.pod.spec.volumes.first(where: { $0.name == mount.name }) else {
            throw KubeletError(.createContainerConfig, "volumeMounts \"\(mount.name)\" has no volume of that name")
        }
        var source = VolumeManager.path(volume, in: directory)
        var subPath = mount.subPath ?? ""
        if let expression = mount.subPathExpr, !expression.isEmpty {
            subPath = try expand(expression)
        }
        if !subPath.isEmpty {
            try SubPath(volume: source, path: subPath, target: subPathTarget, mounter: services.volumes.mounter).bind()
            source = subPathTarget
        } else if volume.hostPath != nil, !HostFiles.exists(source) {
            // Without a type, a missing host path is made as a directory, as runtimes do.
            try HostFiles.makeDirectory(source)
        }
        let propagation: Mount.Propagation = switch mount.mountPropagation {
        case "HostToContainer": .hostToContainer
        case "Bidirectional": .bidirectional
        default: .private
        }
        let readOnly = (mount.readOnly ?? false) || VolumeManager.isFromAPI(volume)
        let recursive = readOnly && (mount.recursiveReadOnly == "Enabled" || mount.recursiveReadOnly == "IfPossible")
        return Mount(source: source, target: mount.mountPath, readOnly: readOnly, recursiveReadOnly: recursive, propagation: propagation)
    }

    private func expand(_ expression: String) throws -> String {
        var missing: String?
        let expanded = VariableExpansion.expand(expression) { name in
            if environment[name] == nil { missing = name }
            return environment[name]
        }
        if let missing { throw KubeletError(.createContainerConfig, "missing value for \"\(missing)\"") }
        return expanded
    }

    private func managedFiles() throws -> [Mount] {
        let files = ManagedFiles(manifest: manifest, addresses: addresses, configuration: services.configuration)
        let readOnly = container.securityContext?.readOnlyRootFilesystem ?? false
        let nodeResolvers = HostFiles.text(services.configuration.resolvConf) ?? ""
        var mounts = [
            Mount(source: try file("etc/hosts", files.hosts(nodeHosts: HostFiles.text("/etc/hosts") ?? "")), target: "/etc/hosts", readOnly: readOnly),
            Mount(source: try file("etc/resolv.conf", files.resolvConf(nodeResolvers: nodeResolvers)), target: "/etc/resolv.conf", readOnly: readOnly),
        ]
        if !manifest.usesHostNetwork {
            mounts.append(Mount(source: try file("etc/hostname", files.hostname + "\n"), target: "/etc/hostname", readOnly: readOnly))
        }
        let path = container.terminationMessagePath ?? "/dev/termination-log"
        if !path.isEmpty {
            let source = services.terminationMessagePath(manifest.uid, container: container.name, attempt: attempt)
            try HostFiles.makeDirectory(HostFiles.parent(of: source), mode: 0o755)
            try HostFiles.write([], to: source, mode: 0o666)
            mounts.append(Mount(source: source, target: path))
        }
        return mounts
    }

    /// Writes in place: containers that run already see the same file.
    private func file(_ name: String, _ text: String) throws -> String {
        let path = "\(directory)/\(name)"
        if HostFiles.text(path) != text {
            try HostFiles.makeDirectory(HostFiles.parent(of: path), mode: 0o755)
            try HostFiles.write(Array(text.utf8), to: path, mode: 0o644)
        }
        return path
    }
}
