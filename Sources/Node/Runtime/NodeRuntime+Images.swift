import Images
import LinuxSystem
import OCISpec
import Synchronization

extension NodeRuntime {
    public func image(_ reference: String) async throws -> ImageStatus? {
        try await blocking { try self.images.find(reference).map(ImageStatus.init) }
    }

    public func pull(_ reference: String) async throws -> ImageStatus {
        // Images come as tarballs; a registry is not asked yet. Kubernetes users read this text in `ErrImagePull`.
        guard let image = try await image(reference) else {
            throw RuntimeError(
                .pullFailed,
                "image \"\(reference)\" is not on this node, and pulling from a registry is not supported yet: import it with `swiftlet image import`")
        }
        return image
    }

    public func images() async throws -> [ImageStatus] {
        try await blocking { try self.images.list().map(ImageStatus.init) }
    }

    /// What a container needs of its image.
    func prepare(_ reference: String) throws(RuntimeError) -> PreparedImage {
        do {
            guard let image = try images.find(reference) else {
                throw RuntimeError(.imageNotFound, "image \"\(reference)\" is not on this node")
            }
            // An id is a digest: what it stands for never changes, but where its layers lie can, if it went and came again.
            if let known = prepared.withLock({ $0[image.id] }), known.layers == image.layerDirectories { return known }
            let root = try images.root(of: image)
            let new = PreparedImage(
                id: image.id, layersDirectory: images.layersDirectory, layers: image.layerDirectories, defaults: ImageDefaults(image.config),
                accounts: AccountFiles(passwd: try root.read("/etc/passwd"), group: try root.read("/etc/group")))
            prepared.withLock { prepared in
                if prepared.count >= 64 { prepared = [:] }
                prepared[image.id] = new
            }
            return new
        } catch {
            throw services.fail(.createFailed, "read image \"\(reference)\"", error)
        }
    }
}

extension ImageStatus {
    init(_ image: StoredImage) {
        self.init(id: image.id, repoTags: image.names, repoDigests: image.repoDigests, size: image.size, user: image.config.user)
    }
}

extension ImageDefaults {
    init(_ config: ImageConfiguration) {
        self.init(
            entrypoint: config.entrypoint, command: config.command, environment: config.environment, workingDirectory: config.workingDirectory,
            user: config.user, stopSignal: config.stopSignal)
    }
}
