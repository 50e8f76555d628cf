public import JSONTree

/// Points at content: what it is, its digest and its size.
public struct Descriptor: Sendable, Hashable {
    public var mediaType: String
    public var digest: Digest
    /// Bytes.
    public var size: Int64
    public var annotations: [String: String]
    public var platform: Platform?

    public init(mediaType: String, digest: Digest, size: Int64, annotations: [String: String] = [:], platform: Platform? = nil) {
        (self.mediaType, self.digest, self.size, self.annotations, self.platform) = (mediaType, digest, size, annotations, platform)
    }

    init(json: JSON, at path: String) throws(OCIError) {
        let reader = try Reader(json, path)
        guard let mediaType = try reader.string("mediaType") else { throw reader.missing("mediaType") }
        guard let digest = try reader.string("digest") else { throw reader.missing("digest") }
        guard let size = try reader.int("size") else { throw reader.missing("size") }
        guard size >= 0 else { throw OCIError(.malformed, "\(path).size: expected a number of bytes, found \(size)") }
        self.mediaType = mediaType
        do throws(OCIError) { self.digest = try Digest(parsing: digest) } catch { throw OCIError(error.code, "\(path).digest: \(error.message)") }
        self.size = size
        annotations = try reader.map("annotations")
        platform = if let value = reader.value("platform") { try Platform(json: value, at: path + ".platform") } else { nil }
    }

    /// The descriptor as the specification writes it.
    public var json: JSON {
        ["mediaType": .string(mediaType), "digest": .string(digest.description), "size": JSON(size)]
    }

    /// The image's name in a layout: containerd's full name, else the specification's, which may be a tag alone.
    public var referenceName: String? {
        annotations["io.containerd.image.name"] ?? annotations["org.opencontainers.image.ref.name"]
    }

    /// Provenance and signatures that travel beside images; never run.
    public var isAttestation: Bool {
        annotations["vnd.docker.reference.type"] != nil || platform?.os == "unknown"
    }
}
