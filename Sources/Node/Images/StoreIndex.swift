import JSONTree
import OCISpec

/// What the store holds, as it is written to `content/index.json`.
struct StoreIndex: Sendable, Equatable {
    struct Image: Sendable, Equatable {
        var manifest: Digest
        var config: Digest
        var names: [Reference]
        var repoDigests: [String]
        var importedAt: Int64
    }

    struct Layer: Sendable, Equatable {
        var directory: String
        var bytes: UInt64
        var inodes: UInt64
    }

    /// Version of the file's form. A reader refuses a newer one rather than lose what it says.
    static let version: Int64 = 1

    var images: [Image] = []
    /// By diff id.
    var layers: [Digest: Layer] = [:]

    init() {}

    init(parsing bytes: [UInt8]) throws(ImageError) {
        let json: JSON
        do throws(JSONError) { json = try JSON(parsing: bytes) } catch { throw StoreIndex.damaged("\(error)") }
        guard let version = json["version"]?.int else { throw StoreIndex.damaged("expected a version") }
        guard version == StoreIndex.version else {
            throw ImageError(.corruptStore, "image store: expected version \(StoreIndex.version), found \(version); it was written by another release")
        }
        for image in json["images"]?.array ?? [] { images.append(try Image(json: image)) }
        for layer in json["layers"]?.array ?? [] {
            guard let diffID = layer["diffID"]?.string, let directory = layer["directory"]?.string,
                  let bytes = layer["bytes"]?.int, let inodes = layer["inodes"]?.int, bytes >= 0, inodes >= 0,
                  !directory.isEmpty, directory.utf8.allSatisfy({ Array("0123456789abcdef".utf8).contains($0) }) else {
                throw StoreIndex.damaged("expected a layer, found \(layer)")
            }
            let digest = try spec { () throws(OCIError) in try Digest(parsing: diffID) }
            layers[digest] = Layer(directory: directory, bytes: UInt64(bytes), inodes: UInt64(inodes))
        }
    }

    func bytes() -> [UInt8] {
        let layers: [JSON] = layers.sorted { $0.key.hex < $1.key.hex }.map { diffID, layer in
            ["diffID": .string(diffID.description), "directory": .string(layer.directory), "bytes": JSON(layer.bytes), "inodes": JSON(layer.inodes)]
        }
        let json: JSON = ["version": JSON(StoreIndex.version), "images": .array(images.map(\.json)), "layers": .array(layers)]
        return json.bytes()
    }

    static func damaged(_ why: String) -> ImageError { ImageError(.corruptStore, "image store index is damaged: \(why)") }

    /// A directory name for a new layer: short, because all of an image's must fit in one page of mount options.
    func directoryName(for diffID: Digest) -> String {
        let taken = Set(layers.values.map(\.directory))
        var length = 12
        // Two layers may be made to begin alike; then the second gets a longer name.
        while length < 64, taken.contains(String(diffID.hex.prefix(length))) { length += 4 }
        return String(diffID.hex.prefix(length))
    }
}

extension StoreIndex.Image {
    init(json: JSON) throws(ImageError) {
        guard let manifest = json["manifest"]?.string, let config = json["config"]?.string, let importedAt = json["importedAt"]?.int else {
            throw StoreIndex.damaged("expected an image, found \(json)")
        }
        self.manifest = try spec { () throws(OCIError) in try Digest(parsing: manifest) }
        self.config = try spec { () throws(OCIError) in try Digest(parsing: config) }
        self.importedAt = importedAt
        names = []
        for name in json["names"]?.array ?? [] {
            names.append(try spec { () throws(OCIError) in try Reference(parsing: name.string ?? "") })
        }
        repoDigests = (json["repoDigests"]?.array ?? []).compactMap(\.string)
    }

    var json: JSON {
        ["manifest": .string(manifest.description), "config": .string(config.description), "names": JSON(names.map(\.description)),
         "repoDigests": JSON(repoDigests), "importedAt": JSON(importedAt)]
    }
}
