import CLinux
import Glibc
import LinuxSystem
import Testing

@Suite struct ProcessTests {
    @Test func spawnsWithExactlyTheGivenDescriptors() throws {
        let leak = try openFile("/dev/null")
        _ = rawCall(Int32(SYS_fcntl), Int(leak.raw), 2, 0) // fcntl F_SETFD 0: a descriptor that somebody forgot to make close-on-exec
        let null = try openFile("/dev/null", .readWrite)
        let (read, write) = try Descriptors.pipe()
        let pid = try Processes.spawn("/bin/busybox", arguments: ["busybox", "ls", "/proc/self/fd"], environment: ["A=B"], descriptors: [null.raw, write.raw, null.raw])
        write.close()
        let output = String(decoding: try read.readAll(), as: UTF8.self).split(separator: "\n")
        #expect(output == ["0", "1", "2", "3"], "3 is ls reading the directory")
        #expect(try Processes.wait(.pid(pid), blocking: true)?.code == 0)
    }

    @Test func spawnReportsAMissingProgram() throws {
        let error = #expect(throws: SystemError.self) { try Processes.spawn("/nonexistent", arguments: ["x"], environment: [], descriptors: []) }
        #expect(error == SystemError(operation: "spawn", errno: ENOENT, path: "/nonexistent"))
    }

    @Test func waitsThroughPidfdAndTellsSignals() throws {
        let pid = try Processes.spawn("/bin/sleep", arguments: ["sleep", "100"], environment: [], descriptors: [])
        let pidfd = try Processes.openPidfd(pid)
        try Processes.send(signal: 0, to: pidfd)
        #expect(try Processes.wait(pidfd: pidfd, blocking: false) == nil)
        try Processes.send(signal: SIGTERM, to: pidfd)
        #expect(try Processes.wait(pidfd: pidfd, blocking: true) == ChildExit(pid: pid, code: 143, signal: 15))
        #expect(throws: SystemError.self) { try Processes.send(signal: 0, to: pidfd) }
    }

    @Test func passesDescriptorsAndCredentials() throws {
        let (left, right) = try UnixSockets.pair()
        let file = try openFile("/proc/self/stat")
        let sent = try Array("hello".utf8).withUnsafeBytes { try left.send($0, descriptors: [file.raw]) }
        #expect(sent == 5)
        var buffer = [UInt8](repeating: 0, count: 16)
        let received = try #require(try buffer.withUnsafeMutableBytes { try right.receive(into: $0) })
        #expect(received.count == 5 && received.descriptors.count == 1)
        #expect(try received.descriptors[0].status().inode == file.status().inode)
        #expect(try left.peer() == PeerCredentials(pid: getpid(), uid: getuid(), gid: getgid()))
    }

    @Test func socketsWorkUnderLongDirectories() throws {
        let directory = try TemporaryDirectory()
        let long = directory.path + "/" + String(repeating: "d", count: 150)
        try Files.makeDirectory(long)
        let folder = try openFile(long, [.readOnly, .directory])
        let listener = try UnixSockets.listen("shim.sock", in: folder)
        #expect(try Files.status("shim.sock", at: folder).mode == 0o600)
        let client = try UnixSockets.connect("shim.sock", in: folder)
        let server = try #require(try listener.accept())
        try client.writeAll([42])
        var byte: [UInt8] = [0]
        #expect(try byte.withUnsafeMutableBytes { try server.read(into: $0) } == 1)
        #expect(byte == [42])
        _ = try UnixSockets.listen("shim.sock", in: folder) // a stale name is replaced
    }

    @Test func sealedMemoryCannotChange() throws {
        let memory = try Descriptors.memory("test")
        try memory.writeAll([1, 2, 3])
        try memory.seal()
        #expect(throws: SystemError.self) { try memory.writeAll([4]) }
    }

    @Test func pollerTellsTokens() throws {
        let poller = try Poller()
        let (read, write) = try Descriptors.pipe(nonBlocking: true)
        try poller.add(read, .readable, token: 0xdead_beef_0123)
        #expect(try poller.wait(milliseconds: 0).isEmpty)
        try write.writeAll([1])
        let events = try poller.wait(milliseconds: 1000)
        #expect(events.map(\.token) == [0xdead_beef_0123] && events[0].ready.contains(.readable))
        write.close()
    }

    @Test func threadsReturnTheirResultAndEnd() throws {
        let caller = rawCall(Int32(SYS_gettid))
        let other = try Namespaces.onOwnThread { rawCall(Int32(SYS_gettid)) }
        #expect(other != caller)
        #expect(!Files.exists("/proc/self/task/\(other)"))
    }
}
