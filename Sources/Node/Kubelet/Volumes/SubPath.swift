internal import LinuxSystem

/// A part of a volume as a mount of its own.
///
/// The path is resolved once, confined to the volume by the kernel, and the descriptor is bound: a container that swaps
/// a directory for a link afterwards gains nothing (CVE-2017-1002101, CVE-2021-25741).
struct SubPath {
    var volume: String
    /// Relative; links in it may not leave the volume.
    var path: String
    /// Where the mount is to be.
    var target: String
    var mounter: any VolumeMounter

    func bind() throws {
        guard !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
            throw KubeletError(.createContainerConfig, "subPath: expected a relative path without '..', found \"\(path)\"")
        }
        let root = try openFile(volume, [.path, .directory])
        let descriptor = try open(root)
        if try descriptor.status().kind == .directory {
            try HostFiles.makeDirectory(target, mode: 0o750)
        } else {
            try HostFiles.makeDirectory(HostFiles.parent(of: target), mode: 0o750)
            try HostFiles.write([], to: target, mode: 0o640)
        }
        try mounter.bind(descriptor: descriptor.raw, to: target)
    }

    private static let confined: ResolveFlags = [.beneath, .noMagicLinks]

    /// Opens what is there; what is missing is made as directories, one step at a time.
    private func open(_ root: FileDescriptor) throws -> FileDescriptor {
        if let existing = try lookUp(path, in: root) { return existing }
        var current = root
        for part in path.split(separator: "/") where part != "." { current = try openOrMake(String(part), in: current) }
        return current
    }

    private func openOrMake(_ name: String, in directory: FileDescriptor) throws -> FileDescriptor {
        if let existing = try lookUp(name, in: directory) { return existing }
        try Files.makeDirectory(name, mode: 0o750, at: directory)
        return try openConfined(name, [.path, .directory], resolve: [.beneath, .noMagicLinks, .noSymlinks], at: directory)
    }

    /// Nil if there is nothing of that name.
    private func lookUp(_ path: String, in directory: FileDescriptor) throws -> FileDescriptor? {
        do {
            return try openConfined(path, [.path], resolve: Self.confined, at: directory)
        } catch let error as SystemError {
            if error.errno == 2 { return nil }
            throw error
        }
    }
}
