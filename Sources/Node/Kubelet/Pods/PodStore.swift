internal import JSONTree
internal import Logging

/// Directories and state of the pods of this node.
///
/// ```
/// <data-dir>/pods/<uid>/
///   pod.json      the pod as last received from the API server
///   state.json    PodRecord
///   volumes/<kind>/<name>/   volume-subpaths/   etc/   containers/<name>/
/// ```
struct PodStore: Sendable {
    var root: String
    var logRoot: String

    func directory(_ uid: String) -> String { root + "/" + uid }

    /// Where a pod's container logs are, as Kubernetes lays them out.
    func logDirectory(namespace: String, name: String, uid: String) -> String { "\(logRoot)/\(namespace)_\(name)_\(uid)" }

    /// A UID becomes a directory's name, so it is checked, wherever it comes from.
    static func isValid(uid: String) -> Bool {
        !uid.isEmpty && uid.utf8.count <= 128 && uid.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x2D || byte == 0x5F
        }
    }

    func save(_ record: PodRecord) throws {
        try HostFiles.makeDirectory(directory(record.uid), mode: 0o750)
        try HostFiles.replace(directory(record.uid) + "/state.json", with: record.json.bytes())
    }

    func save(pod: JSON, uid: String) throws {
        try HostFiles.makeDirectory(directory(uid), mode: 0o750)
        try HostFiles.replace(directory(uid) + "/pod.json", with: pod.bytes())
    }

    struct Saved: Sendable {
        var pod: JSON
        var record: PodRecord
    }

    /// Everything that an earlier agent left. A directory without usable state is reported by its UID alone, so that
    /// its mounts and files can be removed.
    func load(logger: Logger) -> (pods: [Saved], orphans: [String]) {
        var pods: [Saved] = []
        var orphans: [String] = []
        for uid in HostFiles.list(root) where Self.isValid(uid: uid) {
            do {
                let pod = try JSON(parsing: HostFiles.read(directory(uid) + "/pod.json"))
                let record = try PodRecord(json: JSON(parsing: HostFiles.read(directory(uid) + "/state.json")))
                pods.append(Saved(pod: pod, record: record))
            } catch {
                logger.warning("the state of a pod cannot be read; what is left of it will be removed", metadata: ["uid": "\(uid)", "error": "\(error)"])
                orphans.append(uid)
            }
        }
        return (pods, orphans)
    }
}
