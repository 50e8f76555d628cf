import JSONTree

/// An image manifest: one configuration and its layers, the lowest first.
public struct Manifest: Sendable, Hashable {
    public var config: Descriptor
    public var layers: [Descriptor]

    public init(config: Descriptor, layers: [Descriptor]) { (self.config, self.layers) = (config, layers) }

    /// - Parameter mediaType: what the descriptor that led here promised.
    /// - Throws: ``OCIError``; `ambiguous` if the document could be an index too.
    public init(parsing bytes: [UInt8], mediaType: String) throws(OCIError) {
        let reader = try Reader(try parse(bytes, "image manifest"), "image manifest")
        try checkHeader(reader, mediaType: mediaType, isAcceptable: MediaType.isManifest)
        for key in ["manifests", "fsLayers"] where reader.object.contains(key) {
            throw OCIError(.ambiguous, "image manifest: expected layers alone, found \(key) too")
        }
        guard let config = reader.value("config") else { throw reader.missing("config") }
        guard let layers = try reader.array("layers") else { throw reader.missing("layers") }
        self.config = try Descriptor(json: config, at: "image manifest.config")
        guard MediaType.isConfiguration(self.config.mediaType) else {
            throw OCIError(.unsupported, "image manifest.config: expected the media type of an image configuration, found \(self.config.mediaType.prefix(200))")
        }
        guard layers.count <= 500 else { throw OCIError(.unsupported, "image manifest.layers: expected at most 500, which overlayfs allows, found \(layers.count)") }
        self.layers = []
        for (index, layer) in layers.enumerated() {
            let descriptor = try Descriptor(json: layer, at: "image manifest.layers[\(index)]")
            _ = try LayerCompression(mediaType: descriptor.mediaType)
            self.layers.append(descriptor)
        }
    }

    /// The document, for images that came without one.
    public func bytes() -> [UInt8] {
        let json: JSON = [
            "schemaVersion": 2, "mediaType": .string(MediaType.manifest), "config": config.json, "layers": .array(layers.map(\.json)),
        ]
        return json.bytes()
    }
}

/// An image index: manifests for several platforms, or the images of a layout.
public struct Index: Sendable, Hashable {
    public var manifests: [Descriptor]

    /// - Parameter mediaType: what the descriptor that led here promised; nil for the `index.json` of a layout.
    public init(parsing bytes: [UInt8], mediaType: String? = nil) throws(OCIError) {
        let what = mediaType == nil ? "index.json" : "image index"
        let reader = try Reader(try parse(bytes, what), what)
        try checkHeader(reader, mediaType: mediaType, isAcceptable: MediaType.isIndex)
        for key in ["layers", "config", "fsLayers"] where reader.object.contains(key) {
            throw OCIError(.ambiguous, "\(what): expected manifests alone, found \(key) too")
        }
        guard let manifests = try reader.array("manifests") else { throw reader.missing("manifests") }
        guard manifests.count <= 10_000 else { throw OCIError(.unsupported, "\(what).manifests: expected at most 10000, found \(manifests.count)") }
        self.manifests = []
        for (index, manifest) in manifests.enumerated() {
            self.manifests.append(try Descriptor(json: manifest, at: "\(what).manifests[\(index)]"))
        }
    }

    /// The manifest for a platform; an exact match, or the first that does not say.
    public func manifest(for platform: Platform) -> Descriptor? {
        let images = manifests.filter { !$0.isAttestation }
        return images.first { $0.platform.map(platform.runs) ?? false } ?? images.first { $0.platform == nil }
    }
}

/// Schema version and media type, which must be what was promised.
private func checkHeader(_ reader: Reader, mediaType: String?, isAcceptable: (String) -> Bool) throws(OCIError) {
    guard try reader.int("schemaVersion") == 2 else {
        throw OCIError(.unsupported, "\(reader.path).schemaVersion: expected 2, found \(reader.value("schemaVersion").map { "\($0)" } ?? "none")")
    }
    let stated = try reader.string("mediaType")
    if let stated, let mediaType, stated != mediaType {
        throw OCIError(.ambiguous, "\(reader.path).mediaType: expected \(mediaType) as its descriptor says, found \(stated.prefix(200))")
    }
    if let type = stated ?? mediaType, !isAcceptable(type) {
        throw OCIError(.unsupported, "\(reader.path): cannot read the media type \(type.prefix(200))")
    }
}
