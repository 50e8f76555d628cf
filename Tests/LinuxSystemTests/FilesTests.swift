import Glibc
import LinuxSystem
import Testing

@Suite struct FilesTests {
    let directory: TemporaryDirectory
    init() throws { directory = try TemporaryDirectory() }

    @Test func errorsNameOperationPathAndErrno() throws {
        let error = #expect(throws: SystemError.self) { try Files.read("/nonexistent/file") }
        #expect(error == SystemError(operation: "open", errno: ENOENT, path: "/nonexistent/file"))
        #expect(error?.description == "open /nonexistent/file: no such file or directory (ENOENT)")
    }

    @Test func writesAtomicallyAndReadsBack() throws {
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try Files.writeAtomically(bytes, to: "\(directory.path)/file", mode: 0o640)
        #expect(try Files.read("\(directory.path)/file") == bytes)
        #expect(try Files.status("\(directory.path)/file").mode == 0o640)
        try Files.writeAtomically([1], to: "\(directory.path)/file")
        #expect(try Files.read("\(directory.path)/file") == [1])
        #expect(try Files.list(directory.path).map(\.name) == ["file"], "temporary files must not stay")
    }

    @Test func writesAtomicallyRelativeToADescriptor() throws {
        let folder = try openFile(directory.path, [.readOnly, .directory])
        try Files.writeAtomically([7], to: "file", at: folder)
        #expect(try Files.read("file", at: folder) == [7])
    }

    @Test func refusesFilesOverTheLimit() throws {
        try Files.write([UInt8](repeating: 1, count: 5000), to: "\(directory.path)/big")
        let error = #expect(throws: SystemError.self) { try Files.read("\(directory.path)/big", limit: 4999) }
        #expect(error?.errno == EFBIG)
    }

    @Test func makesDirectoriesAndListsThem() throws {
        try Files.makeDirectories("\(directory.path)/a/b/c")
        try Files.makeDirectories("\(directory.path)/a/b/c")
        try Files.write([], to: "\(directory.path)/a/f")
        try Files.symlink("nowhere", at: "\(directory.path)/a/l")
        let entries = try Files.list("\(directory.path)/a").sorted { $0.name < $1.name }
        #expect(entries.map(\.name) == ["b", "f", "l"])
        #expect(entries.map(\.kind) == [.directory, .regular, .symlink])
    }

    @Test func removesTreesWithoutFollowingLinks() throws {
        try Files.makeDirectories("\(directory.path)/outside")
        try Files.write([1], to: "\(directory.path)/outside/keep")
        try Files.makeDirectories("\(directory.path)/tree/deep/deeper")
        try Files.write([1], to: "\(directory.path)/tree/deep/file")
        try Files.symlink("../outside", at: "\(directory.path)/tree/link")
        try Files.removeTree("\(directory.path)/tree")
        try Files.removeTree("\(directory.path)/tree")
        #expect(!Files.exists("\(directory.path)/tree"))
        #expect(try Files.read("\(directory.path)/outside/keep") == [1])
    }

    @Test func confinedOpenStaysInside() throws {
        try Files.makeDirectories("\(directory.path)/root/etc")
        try Files.write([1], to: "\(directory.path)/secret")
        try Files.write([2], to: "\(directory.path)/root/secret")
        try Files.symlink("/secret", at: "\(directory.path)/root/etc/absolute")
        try Files.symlink("../../secret", at: "\(directory.path)/root/etc/upwards")
        let root = try openFile("\(directory.path)/root", [.path, .directory])
        #expect(try openConfined("etc/absolute", resolve: .inRoot, at: root).readAll() == [2])
        #expect(try openConfined("etc/upwards", resolve: .inRoot, at: root).readAll() == [2])
        let error = #expect(throws: SystemError.self) { try openConfined("etc/upwards", resolve: .beneath, at: root) }
        #expect(error?.errno == EXDEV)
        #expect(throws: SystemError.self) { try openConfined("etc/absolute", resolve: .noSymlinks, at: root) }
    }

    @Test func locksExcludeEachOther() throws {
        let first = try openFile("\(directory.path)/lock", [.readWrite, .create])
        let second = try openFile("\(directory.path)/lock", [.readWrite])
        #expect(try first.tryLock())
        #expect(try !second.tryLock())
        first.close()
        #expect(try second.tryLock())
    }

    @Test func descriptorsAreClosedWithTheirLastHolder() throws {
        var file: FileDescriptor? = try openFile("/dev/null")
        let raw = try #require(file?.raw)
        let inode = try Files.status("/proc/self/fd/\(raw)", follow: true).inode
        file = nil
        // Another test may have got the number meanwhile; then it is another file.
        #expect((try? Files.status("/proc/self/fd/\(raw)", follow: true).inode) != inode)
    }
}
