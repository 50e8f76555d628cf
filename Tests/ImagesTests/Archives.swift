import CArchive
import Crypto
import JSONTree
import LinuxSystem
import OCISpec
import Testing

/// Makes tar archives by hand, wrong ones too.
struct TarBuilder {
    private(set) var bytes: [UInt8] = []

    enum Kind: String { case file = "0", hardLink = "1", symlink = "2", character = "3", block = "4", directory = "5", fifo = "6", pax = "x", longName = "L" }

    mutating func add(
        _ name: String, _ kind: Kind = .file, content: [UInt8] = [], link: String = "", mode: Int = 0o644, uid: Int = 0, gid: Int = 0,
        time: Int = 1_700_000_000, device: (Int, Int) = (0, 0), pax: [(String, [UInt8])] = [], size: Int? = nil
    ) {
        if !pax.isEmpty { add("pax", .pax, content: pax.flatMap(TarBuilder.record)) }
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int, _ length: Int) {
            for (index, byte) in text.utf8.prefix(length).enumerated() { header[offset + index] = byte }
        }
        func octal(_ value: Int, _ width: Int) -> String {
            let digits = String(value, radix: 8)
            return String(repeating: "0", count: max(0, width - 1 - digits.count)) + digits
        }
        put(name, at: 0, 100)
        put(octal(mode, 8), at: 100, 7)
        put(octal(uid, 8), at: 108, 7)
        put(octal(gid, 8), at: 116, 7)
        put(octal(size ?? content.count, 12), at: 124, 11)
        put(octal(time, 12), at: 136, 11)
        put("        ", at: 148, 8)
        put(kind.rawValue, at: 156, 1)
        put(link, at: 157, 100)
        put("ustar", at: 257, 5)
        put("00", at: 263, 2)
        put(octal(device.0, 8), at: 329, 7)
        put(octal(device.1, 8), at: 337, 7)
        let sum = header.reduce(0) { $0 + Int($1) }
        put(octal(sum, 7) + "\0", at: 148, 7)
        bytes += header + content
        if content.count % 512 != 0 { bytes += [UInt8](repeating: 0, count: 512 - content.count % 512) }
    }

    mutating func directory(_ name: String, mode: Int = 0o755) { add(name, .directory, mode: mode) }

    private static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
        let rest = Array(" \(key)=".utf8) + value + [10]
        var length = rest.count + 1
        while rest.count + String(length).count != length { length += 1 }
        return Array(String(length).utf8) + rest
    }

    /// The archive with its end.
    func finish() -> [UInt8] { bytes + [UInt8](repeating: 0, count: 1024) }

    static func make(_ body: (inout TarBuilder) -> Void) -> [UInt8] {
        var builder = TarBuilder()
        body(&builder)
        return builder.finish()
    }
}

enum Pack {
    static func gzip(_ bytes: [UInt8]) -> [UInt8] {
        var stream = z_stream()
        deflateInit2_(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        defer { deflateEnd(&stream) }
        var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))) + 64)
        var input = bytes
        let count = input.withUnsafeMutableBufferPointer { from in
            output.withUnsafeMutableBufferPointer { to in
                (stream.next_in, stream.avail_in) = (from.baseAddress, UInt32(from.count))
                (stream.next_out, stream.avail_out) = (to.baseAddress, UInt32(to.count))
                #expect(deflate(&stream, Z_FINISH) == Z_STREAM_END)
                return to.count - Int(stream.avail_out)
            }
        }
        return Array(output[..<count])
    }

    static func zstd(_ bytes: [UInt8]) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: ZSTD_compressBound(bytes.count))
        let count = output.withUnsafeMutableBytes { to in bytes.withUnsafeBytes { ZSTD_compress(to.baseAddress, to.count, $0.baseAddress, $0.count, 3) } }
        return Array(output[..<count])
    }
}

/// An image layout in the making; every part can be made wrong.
struct ImageBuilder {
    struct Layer {
        var tar: [UInt8]
        var compression = LayerCompression.gzip
        /// Nil: what `compression` says.
        var mediaType: String?
        /// Nil: the digest of `tar`.
        var diffID: String?
    }

    var layers: [Layer]
    var names: [String] = ["docker.io/library/test:latest"]
    var architecture = Platform.host.architecture
    var config: JSON = ["Cmd": ["/bin/true"]]
    var blobs: [String: [UInt8]] = [:]
    /// Changes the manifest's JSON before its digest is taken.
    var changeManifest: (inout JSON) -> Void = { _ in }
    var changeIndex: (inout JSON) -> Void = { _ in }
    /// Changes any file of the layout after everything is settled.
    var changeFile: (String, inout [UInt8]) -> Void = { _, _ in }

    init(_ tars: [[UInt8]]) { layers = tars.map { Layer(tar: $0) } }
    init(_ body: (inout TarBuilder) -> Void) { self.init([TarBuilder.make(body)]) }

    static func digest(_ bytes: [UInt8]) -> String { "sha256:" + SHA256.hash(data: bytes).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined() }

    func configuration() -> [UInt8] {
        let diffIDs: [JSON] = layers.map { .string($0.diffID ?? ImageBuilder.digest($0.tar)) }
        let json: JSON = ["architecture": .string(architecture), "os": "linux", "config": config, "rootfs": ["type": "layers", "diff_ids": .array(diffIDs)]]
        return json.bytes()
    }

    /// The files of an OCI image layout.
    func layout() -> [(String, [UInt8])] {
        var files: [(String, [UInt8])] = []
        func add(_ bytes: [UInt8], _ mediaType: String) -> JSON {
            let digest = ImageBuilder.digest(bytes)
            files.append(("blobs/sha256/" + digest.dropFirst(7), bytes))
            return ["mediaType": .string(mediaType), "digest": .string(digest), "size": JSON(bytes.count)]
        }
        let config = add(configuration(), MediaType.configuration)
        let packed: [JSON] = layers.map { layer in
            switch layer.compression {
            case .none: add(layer.tar, layer.mediaType ?? MediaType.layer)
            case .gzip: add(Pack.gzip(layer.tar), layer.mediaType ?? MediaType.layerGzip)
            case .zstd: add(Pack.zstd(layer.tar), layer.mediaType ?? MediaType.layerZstd)
            }
        }
        var manifest: JSON = ["schemaVersion": 2, "mediaType": .string(MediaType.manifest), "config": config, "layers": .array(packed)]
        changeManifest(&manifest)
        let descriptor = add(manifest.bytes(), MediaType.manifest)
        var manifests: [JSON] = names.map { name in
            var named = descriptor
            named["annotations"] = ["org.opencontainers.image.ref.name": .string(name)]
            return named
        }
        if names.isEmpty { manifests = [descriptor] }
        var index: JSON = ["schemaVersion": 2, "manifests": .array(manifests)]
        changeIndex(&index)
        files.append(("index.json", index.bytes()))
        files.append(("oci-layout", Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8)))
        for index in files.indices { changeFile(files[index].0, &files[index].1) }
        return files
    }

    /// A tarball of the layout.
    func archive() -> [UInt8] {
        TarBuilder.make { tar in for (name, bytes) in layout() { tar.add(name, content: bytes) } }
    }

    /// What `docker save` writes.
    func dockerArchive(repeatedLayersAsLinks: Bool = false) -> [UInt8] {
        let config = configuration()
        let name = ImageBuilder.digest(config).dropFirst(7) + ".json"
        return TarBuilder.make { tar in
            tar.add(String(name), content: config)
            var paths: [JSON] = []
            for (index, layer) in layers.enumerated() {
                paths.append(.string("\(index)/layer.tar"))
                if repeatedLayersAsLinks {
                    tar.add("blob\(index).tar", content: layer.tar)
                    tar.add("\(index)/layer.tar", .symlink, link: "../blob\(index).tar")
                } else {
                    tar.add("\(index)/layer.tar", content: layer.tar)
                }
            }
            let manifest: JSON = [["Config": .string(String(name)), "RepoTags": JSON(names), "Layers": .array(paths)]]
            tar.add("manifest.json", content: manifest.bytes())
        }
    }
}

/// Whether overlayfs would hide what lower layers have in this directory.
func isOpaque(_ path: String) -> Bool {
    ["trusted.overlay.opaque", "user.overlay.opaque"].contains { name in
        var value: UInt8 = 0
        return getxattr(path, name, &value, 1) == 1 && value == UInt8(ascii: "y")
    }
}
