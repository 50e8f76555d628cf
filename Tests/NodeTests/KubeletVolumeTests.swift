import LinuxSystem
import Testing
@testable import Kubelet

/// Volumes' real mounts, in a mount namespace that ends with its thread.
@Suite("Mounts of volumes", .privileged, .serialized)
struct KubeletVolumeTests {
    /// Runs the body as root of a mount namespace of its own, with an empty directory.
    private func isolated(_ body: @escaping @Sendable (String) throws -> Void) throws {
        let directory = try Commands.run(["mktemp", "-d", "/tmp/kubelet-mounts-XXXXXX"]).filter { $0 != "\n" }
        defer { try? Files.removeTree(directory) } // empty again by then, or the checks below have failed
        try Namespaces.onOwnThread {
            Result {
                try Namespaces.unshare(.mount)
                try Mounts.mount(nil, at: "/", flags: [.private, .recursive])
                try body(directory)
            }
        }.get()
    }

    @Test("a volume in memory is a tmpfs of its size and mode, and goes without a trace")
    func memory() throws {
        try isolated { directory in
            let mounter = HostMounter()
            let path = directory + "/with space"
            try EmptyDirectoryVolume(path: path, isMemory: true, size: 1 << 20, group: 4321, mounter: mounter).prepare()
            #expect(mounter.isMounted(path))
            let folder = try openFile(path, [.readOnly, .directory])
            #expect(try folder.filesystemType() == FilesystemType.tmpfs)
            let status = try folder.status()
            #expect(status.mode & 0o7777 == 0o2777)
            #expect(status.gid == 4321)
            folder.close()
            #expect(throws: KubeletError.self) { try HostFiles.write([UInt8](repeating: 1, count: 2 << 20), to: path + "/big") }
            try HostFiles.remove(path + "/big")
            // A second agent finds the mount and its content.
            try HostFiles.write([1], to: path + "/kept")
            try EmptyDirectoryVolume(path: path, isMemory: true, size: 1 << 20, group: 4321, mounter: mounter).prepare()
            #expect(HostFiles.exists(path + "/kept"))
            try mounter.unmountAll(under: directory)
            #expect(!mounter.isMounted(path))
            #expect(!HostFiles.exists(path + "/kept"))
        }
    }

    @Test("a subPath shows what was resolved, whatever is swapped into its place afterwards")
    func subPath() throws {
        try isolated { directory in
            let mounter = HostMounter()
            let volume = directory + "/volume"
            try HostFiles.makeDirectory(volume + "/data")
            try HostFiles.write(Array("inside".utf8), to: volume + "/data/file")
            try HostFiles.makeDirectory(directory + "/secret")
            try HostFiles.write(Array("outside".utf8), to: directory + "/secret/file")
            let target = directory + "/target"
            try SubPath(volume: volume, path: "data", target: target, mounter: mounter).bind()
            try HostFiles.rename(volume + "/data", to: volume + "/old")
            try HostFiles.makeLink(volume + "/data", to: directory + "/secret")
            #expect(HostFiles.text(target + "/file") == "inside")
            #expect(throws: (any Error).self) { try SubPath(volume: volume, path: "data/file", target: directory + "/second", mounter: mounter).bind() }
            // A single file, through a link that stays inside.
            try HostFiles.makeLink(volume + "/link", to: "old/file")
            try SubPath(volume: volume, path: "link", target: directory + "/third", mounter: mounter).bind()
            #expect(HostFiles.text(directory + "/third") == "inside")
            try mounter.unmountAll(under: directory)
            #expect(!mounter.isMounted(target))
            #expect(HostFiles.text(volume + "/old/file") == "inside", "unmounting takes nothing away")
        }
    }
}
