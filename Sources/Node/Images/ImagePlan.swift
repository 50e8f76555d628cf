import Crypto
import OCISpec

/// An image found in an archive, checked as far as its documents go; its layers are still packed.
struct ImagePlan: Sendable {
    var manifestDigest: OCISpec.Digest
    var manifest: [UInt8]
    var configDigest: OCISpec.Digest
    var configBytes: [UInt8]
    var config: ImageConfiguration
    var layers: [LayerSource]
    var names: [Reference]
    /// False where the manifest was made here: nobody else knows its digest.
    var hasOwnManifest: Bool
}

/// Finds the images of an archive: an OCI image layout, or what `docker save` writes, or both at once (Docker 25).
struct ImageFinder {
    let source: any ImageSource
    let platform: Platform
    /// Repository for images whose layout gives a tag alone (umoci, skopeo), e.g. `nginx`.
    let repository: String?

    func find() throws(ImageError) -> [ImagePlan] {
        let docker = try source.document("manifest.json")
        if let index = try source.document("index.json") {
            guard let layout = try source.document("oci-layout") else {
                throw ImageError(.invalidArchive, "image archive: expected oci-layout beside index.json, found none")
            }
            try spec { () throws(OCIError) in try LayoutVersion.check(layout) }
            return try merge(layoutImages(index), docker.map { bytes throws(ImageError) in try items(bytes) } ?? [])
        }
        guard let docker else {
            throw ImageError(.invalidArchive, "expected an image archive with index.json (OCI) or manifest.json (docker save), found neither")
        }
        var plans: [ImagePlan] = []
        for item in try items(docker) { plans.append(try dockerImage(item)) }
        guard !plans.isEmpty else { throw ImageError(.invalidArchive, "manifest.json: expected an image, found none") }
        return plans
    }

    private func items(_ bytes: [UInt8]) throws(ImageError) -> [DockerArchiveItem] {
        try spec { () throws(OCIError) in try DockerArchiveItem.list(parsing: bytes) }
    }

    // MARK: OCI image layout

    private func layoutImages(_ bytes: [UInt8]) throws(ImageError) -> [ImagePlan] {
        let index = try spec { () throws(OCIError) in try Index(parsing: bytes) }
        var plans: [ImagePlan] = []
        var others: [Platform] = []
        for descriptor in index.manifests where !descriptor.isAttestation {
            if let found = descriptor.platform, !platform.runs(found) {
                others.append(found)
                continue
            }
            let name = try reference(descriptor)
            if let known = plans.firstIndex(where: { $0.manifestDigest == descriptor.digest }) {
                if let name { plans[known].names.append(name) }
                continue
            }
            var plan = try image(descriptor, depth: 0)
            if let known = plans.firstIndex(where: { $0.manifestDigest == plan.manifestDigest }) {
                if let name { plans[known].names.append(name) }
                continue
            }
            plan.names = name.map { [$0] } ?? []
            plans.append(plan)
        }
        guard !plans.isEmpty else {
            let found = others.isEmpty ? "no image" : "images for \(others.map(\.description).joined(separator: ", "))"
            throw ImageError(.unsupported, "expected an image for \(platform), found \(found)")
        }
        return plans
    }

    private func image(_ descriptor: Descriptor, depth: Int) throws(ImageError) -> ImagePlan {
        let bytes = try content(descriptor)
        if MediaType.isIndex(descriptor.mediaType) {
            guard depth < 4 else { throw ImageError(.invalidArchive, "image index: expected at most 4 inside each other, found more") }
            let index = try spec { () throws(OCIError) in try Index(parsing: bytes, mediaType: descriptor.mediaType) }
            guard let manifest = index.manifest(for: platform) else {
                let found = index.manifests.compactMap { $0.platform?.description }.joined(separator: ", ")
                throw ImageError(.unsupported, "expected an image for \(platform), found \(found.isEmpty ? "none" : "images for " + found)")
            }
            return try image(manifest, depth: depth + 1)
        }
        let manifest = try spec { () throws(OCIError) in try Manifest(parsing: bytes, mediaType: descriptor.mediaType) }
        let configBytes = try content(manifest.config)
        let config = try configuration(configBytes)
        guard manifest.layers.count == config.diffIDs.count else {
            throw ImageError(.invalidArchive, "image manifest: expected \(config.diffIDs.count) layers as the configuration has, found \(manifest.layers.count)")
        }
        var layers: [LayerSource] = []
        for (layer, diffID) in zip(manifest.layers, config.diffIDs) { layers.append(try layerSource(layer, diffID)) }
        return ImagePlan(manifestDigest: descriptor.digest, manifest: bytes, configDigest: manifest.config.digest, configBytes: configBytes,
                         config: config, layers: layers, names: [], hasOwnManifest: true)
    }

    private func layerSource(_ layer: Descriptor, _ diffID: OCISpec.Digest) throws(ImageError) -> LayerSource {
        let location = try locate(layer)
        let compression = try spec { () throws(OCIError) in try LayerCompression(mediaType: layer.mediaType) }
        guard compression != .none || layer.digest == diffID else {
            throw ImageError(.digestMismatch, "layer \(layer.digest): expected diff id \(diffID), but it is not compressed, so they must be equal")
        }
        return LayerSource(blob: location, compression: compression, digest: layer.digest, diffID: diffID)
    }

    private func locate(_ descriptor: Descriptor) throws(ImageError) -> BlobLocation {
        guard let location = try source.blob("blobs/sha256/\(descriptor.digest.hex)") else {
            throw ImageError(.invalidArchive, "image archive: expected the blob \(descriptor.digest), found none")
        }
        guard location.size == descriptor.size else {
            throw ImageError(.digestMismatch, "blob \(descriptor.digest): expected \(descriptor.size) bytes, found \(location.size)")
        }
        return location
    }

    /// A document with the digest that it was promised to have.
    private func content(_ descriptor: Descriptor) throws(ImageError) -> [UInt8] {
        _ = try locate(descriptor)
        let bytes = try source.document("blobs/sha256/\(descriptor.digest.hex)") ?? []
        let found = OCISpec.Digest(sha256: SHA256.hash(data: bytes))
        guard found == descriptor.digest else { throw ImageError(.digestMismatch, "blob: expected digest \(descriptor.digest), found \(found)") }
        return bytes
    }

    private func configuration(_ bytes: [UInt8]) throws(ImageError) -> ImageConfiguration {
        let config = try spec { () throws(OCIError) in try ImageConfiguration(parsing: bytes) }
        guard platform.runs(config.platform) else {
            throw ImageError(.unsupported, "expected an image for \(platform), found one for \(config.platform)")
        }
        return config
    }

    /// The name of an image in a layout: a whole reference, or a tag that needs the repository.
    private func reference(_ descriptor: Descriptor) throws(ImageError) -> Reference? {
        guard let name = descriptor.referenceName else { return nil }
        if name.contains("/") || name.contains(":") {
            return try spec { () throws(OCIError) in try Reference(parsing: name) }
        }
        guard let repository else { return nil }
        return try spec { () throws(OCIError) in try Reference(parsing: "\(repository):\(name)") }
    }

    // MARK: docker save

    private func dockerImage(_ item: DockerArchiveItem) throws(ImageError) -> ImagePlan {
        guard let configBytes = try source.document(item.config) else {
            throw ImageError(.invalidArchive, "manifest.json: expected \(item.config.prefix(200)) in the archive, found none")
        }
        let configDigest = OCISpec.Digest(sha256: SHA256.hash(data: configBytes))
        // Docker names the file after its digest; where a name looks like one, it must be right.
        let stem = item.config.split(separator: "/").last.map { $0.hasSuffix(".json") ? $0.dropLast(5) : $0 } ?? ""
        if let stated = try? OCISpec.Digest(parsing: "sha256:\(stem)"), stated != configDigest { // not a digest: nothing to compare
            throw ImageError(.digestMismatch, "image configuration: expected digest \(stated), found \(configDigest)")
        }
        let config = try configuration(configBytes)
        guard item.layers.count == config.diffIDs.count else {
            throw ImageError(.invalidArchive, "manifest.json: expected \(config.diffIDs.count) layers as the configuration has, found \(item.layers.count)")
        }
        var layers: [LayerSource] = []
        for (path, diffID) in zip(item.layers, config.diffIDs) {
            guard let location = try source.blob(path) else {
                throw ImageError(.invalidArchive, "manifest.json: expected \(path.prefix(200)) in the archive, found none")
            }
            layers.append(LayerSource(blob: location, compression: try location.compression(), digest: nil, diffID: diffID))
        }
        let manifest = Manifest(
            config: Descriptor(mediaType: MediaType.configuration, digest: configDigest, size: Int64(configBytes.count)),
            layers: layers.map { Descriptor(mediaType: MediaType.layer, digest: $0.diffID, size: $0.blob.size) }).bytes()
        return ImagePlan(manifestDigest: OCISpec.Digest(sha256: SHA256.hash(data: manifest)), manifest: manifest, configDigest: configDigest,
                         configBytes: configBytes, config: config, layers: layers, names: try tags(item), hasOwnManifest: false)
    }

    private func tags(_ item: DockerArchiveItem) throws(ImageError) -> [Reference] {
        var names: [Reference] = []
        for tag in item.repoTags { names.append(try spec { () throws(OCIError) in try Reference(parsing: tag) }) }
        return names
    }

    /// Docker's archives carry both forms; the tags that the older one has are added to the same images.
    private func merge(_ plans: [ImagePlan], _ items: [DockerArchiveItem]) throws(ImageError) -> [ImagePlan] {
        var plans = plans
        for item in items {
            guard let bytes = try source.document(item.config) else { continue }
            let digest = OCISpec.Digest(sha256: SHA256.hash(data: bytes))
            let names = try tags(item)
            for index in plans.indices where plans[index].configDigest == digest {
                plans[index].names += names.filter { !plans[index].names.contains($0) }
            }
        }
        return plans
    }
}
