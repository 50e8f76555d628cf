import JSONTree

/// An image's configuration: what to run and which layers make its root.
public struct ImageConfiguration: Sendable, Hashable {
    public var platform: Platform
    /// RFC 3339, empty if not stated.
    public var created: String
    /// As written: name or number, with an optional group after a colon; empty for root.
    public var user: String
    public var environment: [String]
    public var entrypoint: [String]
    public var command: [String]
    /// Empty for `/`.
    public var workingDirectory: String
    public var labels: [String: String]
    /// `SIGTERM` or a number; empty for the default.
    public var stopSignal: String
    /// `80/tcp`.
    public var exposedPorts: [String]
    public var volumes: [String]
    /// Digests of the uncompressed layers, the lowest first.
    public var diffIDs: [Digest]

    public init(platform: Platform, created: String = "", user: String = "", environment: [String] = [], entrypoint: [String] = [],
                command: [String] = [], workingDirectory: String = "", labels: [String: String] = [:], stopSignal: String = "",
                exposedPorts: [String] = [], volumes: [String] = [], diffIDs: [Digest] = []) {
        self.platform = platform; self.created = created; self.user = user; self.environment = environment; self.entrypoint = entrypoint
        self.command = command; self.workingDirectory = workingDirectory; self.labels = labels; self.stopSignal = stopSignal
        self.exposedPorts = exposedPorts; self.volumes = volumes; self.diffIDs = diffIDs
    }

    /// - Throws: ``OCIError``.
    public init(parsing bytes: [UInt8]) throws(OCIError) {
        let what = "image configuration"
        let json = try parse(bytes, what)
        let reader = try Reader(json, what)
        platform = try Platform(json: json, at: what)
        guard !platform.os.isEmpty else { throw reader.missing("os") }
        guard !platform.architecture.isEmpty else { throw reader.missing("architecture") }
        created = try reader.string("created") ?? ""
        let config = try Reader(reader.value("config") ?? .object(JSONObject()), what + ".config")
        user = try config.string("User") ?? ""
        environment = try config.strings("Env") ?? []
        entrypoint = try config.strings("Entrypoint") ?? []
        command = try config.strings("Cmd") ?? []
        workingDirectory = try config.string("WorkingDir") ?? ""
        labels = try config.map("Labels")
        stopSignal = try config.string("StopSignal") ?? ""
        exposedPorts = try config.set("ExposedPorts")
        volumes = try config.set("Volumes")
        guard let rootfs = reader.value("rootfs") else { throw reader.missing("rootfs") }
        let root = try Reader(rootfs, what + ".rootfs")
        let type = try root.string("type")
        guard type == "layers" else { throw OCIError(.unsupported, "\(what).rootfs.type: expected layers, found \(type ?? "none")") }
        diffIDs = []
        for text in try root.strings("diff_ids") ?? [] { diffIDs.append(try Digest(parsing: text)) }
    }
}

/// One image of a `docker save` archive (`manifest.json`).
public struct DockerArchiveItem: Sendable, Hashable {
    /// Path of the configuration inside the archive.
    public var config: String
    public var repoTags: [String]
    /// Paths of the layers inside the archive, the lowest first.
    public var layers: [String]

    /// Reads `manifest.json`.
    public static func list(parsing bytes: [UInt8]) throws(OCIError) -> [DockerArchiveItem] {
        let json = try parse(bytes, "manifest.json")
        guard let items = json.array else { throw OCIError(.malformed, "manifest.json: expected a list, found \(json.typeName)") }
        var result: [DockerArchiveItem] = []
        for (index, item) in items.enumerated() {
            let reader = try Reader(item, "manifest.json[\(index)]")
            guard let config = try reader.string("Config") else { throw reader.missing("Config") }
            guard let layers = try reader.strings("Layers") else { throw reader.missing("Layers") }
            guard layers.count <= 500 else { throw OCIError(.unsupported, "\(reader.path).Layers: expected at most 500, found \(layers.count)") }
            result.append(DockerArchiveItem(config: config, repoTags: try reader.strings("RepoTags") ?? [], layers: layers))
        }
        return result
    }
}
