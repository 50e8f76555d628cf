import Glibc

/// A directory that lives as long as its pod: on disk, or in memory with an optional size.
struct EmptyDirectoryVolume: Sendable {
    var path: String
    var isMemory: Bool
    /// Bytes; only for memory.
    var size: Int64?
    /// The pod's fsGroup.
    var group: UInt32?
    var mounter: any VolumeMounter

    func prepare() throws {
        let isNew = !HostFiles.exists(path)
        try HostFiles.makeDirectory(path, mode: 0o777)
        if isMemory, !mounter.isMounted(path) {
            try mounter.mountMemory(at: path, size: size, mode: 0o777)
        } else if !isNew {
            return  // The container may have changed its mode: it is the pod's now.
        }
        try HostFiles.setMode(path, 0o777)
        if let group {
            try HostFiles.setOwner(path, group: group)
            try HostFiles.setMode(path, 0o2777)
        }
    }
}
