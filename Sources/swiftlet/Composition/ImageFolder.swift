import Glibc
import Images
import LinuxSystem
import Logging

/// The folder whose tarballs are imported at start: how images reach a node without a registry.
struct ImageFolder {
    var path: String
    var images: ImageStore
    var logger: Logger

    /// Imports every `*.tar`; one that cannot be imported is logged and does not keep the others.
    func importAll() async {
        let names: [String]
        do {
            try Files.makeDirectories(path, mode: 0o700)
            names = try Files.list(path).map(\.name).filter { $0.hasSuffix(".tar") }.sorted()
        } catch {
            logger.error("cannot read the folder of images \(path): \(error)")
            return
        }
        for name in names {
            do {
                let imported = try await images.importArchive(path: path + "/" + name)
                for image in imported { logger.info("imported \(image.names.joined(separator: ", ")) from \(name)") }
            } catch {
                logger.error("cannot import \(path)/\(name): \(error)")
            }
        }
    }
}
