import Glibc
import LinuxSystem

/// An image's root file system, looked into without mounting it: layers from the uppermost down, as overlayfs merges
/// them, with whiteouts, opaque directories and links followed inside the image.
public struct ImageRoot: Sendable {
    private let layers: [FileDescriptor]

    init(layers directory: FileDescriptor, names: [String]) throws(ImageError) {
        var layers: [FileDescriptor] = []
        for name in names {
            layers.append(try system("layer \(name)") { () throws(SystemError) in try openFile(name, [.readOnly, .directory, .noFollow], at: directory) })
        }
        self.layers = layers
    }

    /// What a path is.
    public enum Kind: Sendable { case file, directory, other }

    /// Reads a regular file; nil if nothing is there.
    /// - Parameters:
    ///   - path: absolute, or relative to the image's root.
    ///   - limit: more bytes are refused: the file is an image's and may be anything.
    public func read(_ path: String, limit: Int = 4 << 20) throws(ImageError) -> [UInt8]? {
        guard case .file(let layer, let parts)? = try resolve(path) else { return nil }
        return try system("image: \(path)") { () throws(SystemError) in
            let file = try openConfined(parts.joined(separator: "/"), [.readOnly, .nonBlocking, .noFollow], resolve: [.beneath, .noMagicLinks, .noSymlinks], at: layer)
            return try file.readAll(limit: limit)
        }
    }

    /// What is at a path, links followed; nil if nothing is.
    public func kind(of path: String) throws(ImageError) -> Kind? {
        switch try resolve(path) {
        case nil: nil
        case .directory: .directory
        case .file: .file
        case .other, .link: .other // a link never comes out of resolve
        }
    }

    private enum Place { case file(FileDescriptor, [String]), directory([FileDescriptor]), other, link(String) }

    private func resolve(_ path: String) throws(ImageError) -> Place? {
        var pending = Array(path.split(separator: "/").map(String.init).reversed())
        var done: [String] = []
        // The layers whose directory `done` shows through, for it and for each one above it.
        var visible: [[FileDescriptor]] = [layers]
        var links = 0
        while let part = pending.popLast() {
            if part == "." { continue }
            if part == ".." { // the root's parent is the root
                if !done.isEmpty { done.removeLast(); visible.removeLast() }
                continue
            }
            switch try look(done + [part], in: visible[visible.count - 1]) {
            case nil: return nil
            case .directory(let below):
                done.append(part)
                visible.append(below)
            case .link(let target):
                links += 1
                guard links <= 40 else { throw ImageError(.invalidArchive, "image: too many links at \(path.prefix(200))") }
                if target.hasPrefix("/") { (done, visible) = ([], [layers]) }
                pending += target.split(separator: "/").map(String.init).reversed()
            case let other?:
                return pending.isEmpty ? other : nil
            }
        }
        return .directory(visible[visible.count - 1])
    }

    /// The uppermost thing of that name; for a directory, every layer that it is merged from.
    private func look(_ parts: [String], in layers: [FileDescriptor]) throws(ImageError) -> Place? {
        let path = parts.joined(separator: "/")
        var merged: [FileDescriptor] = []
        for layer in layers {
            let handle: FileDescriptor
            let status: FileStatus
            do throws(SystemError) {
                handle = try openConfined(path, [.path, .noFollow], resolve: [.beneath, .noMagicLinks], at: layer)
                status = try handle.status()
            } catch {
                // A link in a parent of this layer alone is not what the merged tree shows there.
                if [ENOENT, ENOTDIR, ELOOP, EXDEV].contains(error.errno) { continue }
                throw ImageError("image: \(path)", error)
            }
            if status.kind == .directory {
                merged.append(layer)
                if isOpaque(path, layer) { break }
                continue
            }
            if !merged.isEmpty { break } // a file below a directory ends the merge
            switch status.kind {
            case .regular: return .file(layer, parts)
            case .symlink:
                let target = try system("image: \(path)") { () throws(SystemError) in try Files.readLink("", at: handle) }
                return .link(target)
            case .characterDevice where status.deviceMajor == 0 && status.deviceMinor == 0: return nil
            default: return .other
            }
        }
        return merged.isEmpty ? nil : .directory(merged)
    }

    private func isOpaque(_ path: String, _ layer: FileDescriptor) -> Bool {
        guard let directory = try? openConfined(path, [.readOnly, .directory], resolve: [.beneath, .noMagicLinks], at: layer) else { return false } // gone or unreadable: no attribute to see
        return ["trusted.overlay.opaque", "user.overlay.opaque"].contains { extendedAttribute($0, of: directory).elementsEqual("y".utf8) }
    }
}
