import Images
import LinuxSystem
import OCISpec

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
    func prepare(_ reference: String) async throws(RuntimeError) -> PreparedImage {
        do {
            return try await blocking {
                guard let image = try self.images.find(reference) else {
                    throw RuntimeError(.imageNotFound, "image \"\(reference)\" is not on this node")
                }
                let root = try self.images.root(of: image)
                return PreparedImage(
                    id: image.id, layers: image.layerDirectories.map { "\(self.images.layersDirectory)/\($0)" }, defaults: ImageDefaults(image.config),
                    accounts: AccountFiles(passwd: try root.read("/etc/passwd"), group: try root.read("/etc/group")))
            }
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
