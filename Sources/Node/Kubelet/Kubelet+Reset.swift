extension Kubelet {
    /// Takes back everything that kubelets with these directories have made on the host: volumes' mounts, pods' files and
    /// logs. For `swiftlet reset`, after the runtime has been reset and when no agent runs. Blocks.
    public static func reset(dataDirectory: String, logDirectory: String) throws {
        try reset(dataDirectory: dataDirectory, logDirectory: logDirectory, mounter: HostMounter())
    }

    static func reset(dataDirectory: String, logDirectory: String, mounter: any VolumeMounter) throws {
        let pods = dataDirectory + "/pods"
        // A mount that stays would have what it shows removed with the files: this throws before that.
        try mounter.unmountAll(under: pods)
        try HostFiles.remove(pods)
        // The directory may be shared with others; only what has the form of a pod's name is a pod's.
        for name in HostFiles.list(logDirectory) where name.split(separator: "_").count == 3 { try HostFiles.remove(logDirectory + "/" + name) }
    }
}
