internal import BlockingCalls
internal import KubeAPI
internal import KubeTypes

/// Prepares, updates and removes the volumes of pods.
struct VolumeManager: Sendable {
    var store: PodStore
    var mounter: any VolumeMounter
    var references: ConfigObjects
    var tokens: ServiceAccountTokens
    var clock: any KubeletClock
    var node: NodeFacts

    /// Where a volume is on the host; for hostPath, the host's own path.
    static func path(_ volume: Volume, in podDirectory: String) -> String {
        if let host = volume.hostPath { return host.path }
        return "\(podDirectory)/volumes/\(kind(of: volume))/\(volume.name)"
    }

    /// Volumes filled from the API are read-only to containers: what a container wrote would be lost with the next update.
    static func isFromAPI(_ volume: Volume) -> Bool {
        volume.configMap != nil || volume.secret != nil || volume.downwardAPI != nil || volume.projected != nil
    }

    private static func kind(of volume: Volume) -> String {
        if volume.configMap != nil { return "configmap" }
        if volume.secret != nil { return "secret" }
        if volume.downwardAPI != nil { return "downward-api" }
        if volume.projected != nil { return "projected" }
        return "empty-dir"
    }

    /// Makes every volume of the pod. What is there already stays, content included.
    func prepare(_ manifest: PodManifest, addresses: [String]) async throws {
        for volume in manifest.pod.spec.volumes { try await setUp(volume, manifest, addresses) }
    }

    /// Brings volumes filled from the API up to date.
    func refresh(_ manifest: PodManifest, addresses: [String]) async throws {
        for volume in manifest.pod.spec.volumes where Self.isFromAPI(volume) { try await setUp(volume, manifest, addresses) }
    }

    /// Unmounts everything of the pod. Its files go with the pod's directory.
    func tearDown(_ uid: String) async throws {
        let (mounter, directory) = (mounter, store.directory(uid))
        try await BlockingThreads.kubelet.run { try mounter.unmountAll(under: directory) }
    }

    private func setUp(_ volume: Volume, _ manifest: PodManifest, _ addresses: [String]) async throws {
        do {
            let path = Self.path(volume, in: store.directory(manifest.uid))
            let group = manifest.pod.spec.securityContext?.fsGroup.flatMap { UInt32(exactly: $0) }
            if let host = volume.hostPath {
                try await BlockingThreads.kubelet.run { try HostPathVolume(path: host.path, type: host.type ?? "").prepare() }
            } else if let directory = volume.emptyDir {
                let isMemory = directory.medium == "Memory"
                let empty = EmptyDirectoryVolume(path: path, isMemory: isMemory, size: directory.sizeLimit?.value, group: group, mounter: mounter)
                try await BlockingThreads.kubelet.run { try empty.prepare() }
            } else {
                let content = try await VolumeContent(
                    manifest: manifest, addresses: addresses, references: references, tokens: tokens, node: node
                ).files(of: volume)
                let needsMemory = volume.secret != nil || volume.projected != nil
                let (mounter, clock) = (mounter, clock)
                try await BlockingThreads.kubelet.run {
                    try HostFiles.makeDirectory(path)
                    // Secrets never touch a disk.
                    if needsMemory, !mounter.isMounted(path) { try mounter.mountMemory(at: path, size: nil, mode: 0o755) }
                    try AtomicVolumeWriter(directory: path, group: group).write(content, now: clock.now())
                }
            }
        } catch {
            throw KubeletError(.failedMount, "MountVolume.SetUp failed for volume \"\(volume.name)\" : \(error)")
        }
    }
}
