/// The media types that a node can meet, OCI's and Docker's names for the same things.
public enum MediaType {
    public static let manifest = "application/vnd.oci.image.manifest.v1+json"
    public static let index = "application/vnd.oci.image.index.v1+json"
    public static let configuration = "application/vnd.oci.image.config.v1+json"
    public static let layer = "application/vnd.oci.image.layer.v1.tar"
    public static let layerGzip = "application/vnd.oci.image.layer.v1.tar+gzip"
    public static let layerZstd = "application/vnd.oci.image.layer.v1.tar+zstd"
    public static let dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
    public static let dockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
    public static let dockerConfiguration = "application/vnd.docker.container.image.v1+json"
    public static let dockerLayer = "application/vnd.docker.image.rootfs.diff.tar"
    public static let dockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    public static let dockerLayerZstd = "application/vnd.docker.image.rootfs.diff.tar.zstd"

    public static func isManifest(_ type: String) -> Bool { type == manifest || type == dockerManifest }
    public static func isIndex(_ type: String) -> Bool { type == index || type == dockerManifestList }
    public static func isConfiguration(_ type: String) -> Bool { type == configuration || type == dockerConfiguration }
}

/// How the bytes of a layer are packed.
public enum LayerCompression: String, Sendable, Hashable {
    case none, gzip, zstd

    /// What a layer's media type says.
    /// - Throws: ``OCIError`` with `unsupported` for what is no layer, encrypted or foreign.
    public init(mediaType: String) throws(OCIError) {
        switch mediaType {
        case MediaType.layer, MediaType.dockerLayer: self = .none
        case MediaType.layerGzip, MediaType.dockerLayerGzip: self = .gzip
        case MediaType.layerZstd, MediaType.dockerLayerZstd: self = .zstd
        default: throw OCIError(.unsupported, "expected the media type of a tar layer (plain, gzip or zstd), found \(mediaType.prefix(200))")
        }
    }

    /// What the first bytes say, for `docker save` archives, which do not declare it.
    public init(firstBytes bytes: some Collection<UInt8>) {
        if bytes.starts(with: [0x1f, 0x8b]) {
            self = .gzip
        } else if bytes.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) {
            self = .zstd
        } else {
            self = .none
        }
    }
}
