public import OCISpec

/// An image that this node has, unpacked and ready to run.
public struct StoredImage: Sendable, Hashable {
    /// `sha256:` and the digest of the configuration.
    public var id: String
    /// Digest of the manifest.
    public var manifestDigest: Digest
    /// Full names, e.g. `docker.io/library/nginx:latest`, sorted.
    public var names: [String]
    /// `docker.io/library/nginx@sha256:…`; empty for images that came without a manifest (`docker save`).
    public var repoDigests: [String]
    public var config: ImageConfiguration
    /// Names below ``ImageStore/layersDirectory``, the uppermost first: what overlayfs wants as `lowerdir`, joined by colons.
    public var layerDirectories: [String]
    /// Bytes of all layers' files, unpacked.
    public var size: UInt64
    /// Nanoseconds since 1970: when this node got it.
    public var importedAt: Int64

    public init(id: String, manifestDigest: Digest, names: [String], repoDigests: [String], config: ImageConfiguration,
                layerDirectories: [String], size: UInt64, importedAt: Int64) {
        self.id = id; self.manifestDigest = manifestDigest; self.names = names; self.repoDigests = repoDigests
        self.config = config; self.layerDirectories = layerDirectories; self.size = size; self.importedAt = importedAt
    }
}

/// What an import brought.
public struct ImportedImage: Sendable, Hashable {
    public var image: StoredImage
    /// Names that this import gave or moved here.
    public var names: [String]
    /// Layers that had to be unpacked; the rest were here already.
    public var unpackedLayers: Int

    public init(image: StoredImage, names: [String], unpackedLayers: Int) {
        (self.image, self.names, self.unpackedLayers) = (image, names, unpackedLayers)
    }
}

/// How much a layer may bring. A few kilobytes of gzip can claim terabytes.
public struct LayerLimits: Sendable, Hashable {
    /// Bytes of the unpacked tar stream, and of the files it makes (sparse files count in full).
    public var bytes: UInt64
    /// Files, directories, links and devices.
    public var inodes: UInt64
    /// Bytes of a path inside the layer; the kernel allows 4095.
    public var pathLength: Int
    /// Directories inside each other.
    public var depth: Int

    public init(bytes: UInt64 = 64 << 30, inodes: UInt64 = 4_000_000, pathLength: Int = 4095, depth: Int = 256) {
        (self.bytes, self.inodes, self.pathLength, self.depth) = (bytes, inodes, pathLength, depth)
    }

    public static let `default` = LayerLimits()
}
