import Glibc

/// One file of a volume whose content comes from the API.
struct VolumeFile: Sendable, Hashable {
    var bytes: [UInt8]
    /// Permission bits.
    var mode: UInt32
    /// Nil: root, or the pod's fsGroup as group.
    var owner: UInt32?
    init(bytes: [UInt8], mode: UInt32, owner: UInt32? = nil) { (self.bytes, self.mode, self.owner) = (bytes, mode, owner) }
}

/// Writes a set of files so that a reader sees all of the old or all of the new ones.
///
/// ```
/// volume/
///   ..2026_11_21_09_15_00.123456789/   the files
///   ..data -> ..2026_11_21_09_15_00.123456789
///   config.yaml -> ..data/config.yaml
/// ```
/// An update fills a new directory and swaps `..data` by rename: the layout that applications know from Kubernetes,
/// and what their file watchers wait for.
struct AtomicVolumeWriter {
    var directory: String
    /// Group of every file and directory (the pod's fsGroup).
    var group: UInt32?

    private static let link = "..data"
    private static let newLink = "..data_tmp"

    /// - Parameter files: keys are relative paths without `..`; checked here, since they come from users.
    /// - Returns: false if the files are there already, as they are.
    @discardableResult
    func write(_ files: [String: VolumeFile], now: WallTime) throws -> Bool {
        for path in files.keys { try Self.check(path) }
        let old = HostFiles.link(path(Self.link))
        if let old, isSame(old, files) {
            try linkEntries(of: files)
            return false
        }
        // A reader inside a pod needs to pass through, whatever the modes of the files are.
        let fresh = freshName(now)
        try makeDirectory(path(fresh))
        for (name, file) in files.sorted(by: { $0.key < $1.key }) { try write(file, at: fresh + "/" + name) }
        try? HostFiles.remove(path(Self.newLink))  // Left by an agent that died here; makeLink reports anything else.
        try HostFiles.makeLink(path(Self.newLink), to: fresh)
        try HostFiles.rename(path(Self.newLink), to: path(Self.link))
        try linkEntries(of: files)
        try removeStale(keeping: fresh, files)
        return true
    }

    /// A path that stays inside the volume and does not collide with the writer's own names.
    static func check(_ path: String) throws {
        let components = path.split(separator: "/", omittingEmptySubsequences: false)
        guard !path.isEmpty, path.utf8.count <= 4096, !components.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." || $0.utf8.count > 255 }),
            !path.hasPrefix("..")
        else { throw KubeletError(.failedMount, "invalid path in volume: expected a relative path without '..', found \"\(path)\"") }
    }

    private func path(_ name: String) -> String { directory + "/" + name }

    private func freshName(_ now: WallTime) -> String {
        let digits = now.rfc3339.map { "-T:".contains($0) ? "_" : $0 }.filter { $0 != "Z" }
        var name = "..\(String(digits)).\(now.nanoseconds - now.seconds * 1_000_000_000)"
        while HostFiles.exists(path(name)) { name += "0" }
        return name
    }

    private func write(_ file: VolumeFile, at relative: String) throws {
        try makeDirectory(HostFiles.parent(of: path(relative)))
        try HostFiles.write(file.bytes, to: path(relative), mode: mode(of: file))
        if file.owner != nil || group != nil { try HostFiles.setOwner(path(relative), user: file.owner, group: group) }
        // chown clears set-id bits, and an fsGroup may always read.
        if group != nil { try HostFiles.setMode(path(relative), mode(of: file)) }
    }

    private func mode(of file: VolumeFile) -> mode_t { mode_t(file.mode & 0o777) | (group == nil ? 0 : 0o440) }

    private func makeDirectory(_ path: String) throws {
        if HostFiles.isDirectory(path) { return }
        try makeDirectory(HostFiles.parent(of: path))
        try HostFiles.makeDirectory(path, mode: 0o755)
        if let group {
            try HostFiles.setOwner(path, group: group)
            try HostFiles.setMode(path, 0o2755)
        }
    }

    private func isSame(_ old: String, _ files: [String: VolumeFile]) -> Bool {
        var found: Set<String> = []
        func visit(_ relative: String) {
            for name in HostFiles.list(path(old + relative)) {
                let inner = relative + "/" + name
                if HostFiles.isDirectory(path(old + inner)) { visit(inner) } else { found.insert(String(inner.dropFirst())) }
            }
        }
        visit("")
        guard found == Set(files.keys) else { return false }
        return files.allSatisfy { name, file in
            let path = path(old + "/" + name)
            guard let status = HostFiles.status(path, followLinks: false), status.st_mode & 0o7777 == mode(of: file) else { return false }
            // An unreadable file is not the same file.
            return (try? HostFiles.read(path)) == file.bytes
        }
    }

    private func topNames(_ files: [String: VolumeFile]) -> Set<String> {
        Set(files.keys.compactMap { $0.split(separator: "/").first.map(String.init) })
    }

    private func linkEntries(of files: [String: VolumeFile]) throws {
        for name in topNames(files) where HostFiles.link(path(name)) != Self.link + "/" + name {
            try HostFiles.remove(path(name))
            try HostFiles.makeLink(path(name), to: Self.link + "/" + name)
        }
    }

    private func removeStale(keeping fresh: String, _ files: [String: VolumeFile]) throws {
        let names = topNames(files)
        for name in HostFiles.list(directory) where name != fresh && name != Self.link {
            if name.hasPrefix("..") || (HostFiles.link(path(name)) != nil && !names.contains(name)) { try HostFiles.remove(path(name)) }
        }
    }
}
