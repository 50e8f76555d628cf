import Glibc
import LinuxSystem
import ShimProtocol
import Testing

@Suite(.privileged, .serialized) struct ShimLogTests {
    /// The rotated files, oldest first, and the current one.
    private func files(_ node: ShimHarness, _ id: String) throws -> [String] {
        let names = try Files.list("\(node.path)/logs").map(\.name)
        return names.filter { $0.hasPrefix("\(id).log.") }.sorted() + ["\(id).log"]
    }

    @Test func linesHaveTheFormOfTheCRI() throws {
        let node = try ShimHarness()
        let before = Timestamps.text(Clocks.now())
        _ = try node.shell("form", "echo out; echo err >&2; echo; printf tail")
        let after = Timestamps.text(Clocks.now())
        let lines = try Files.readString("\(node.path)/logs/form.log").split(separator: "\n")
        // Two pipes: only the order within one of them is certain.
        let texts = lines.map { String($0.dropFirst(30)) }
        #expect(texts.filter { $0.hasPrefix(" stdout ") } == [" stdout F out", " stdout F ", " stdout P tail"])
        #expect(texts.filter { !$0.hasPrefix(" stdout ") } == [" stderr F err"])
        for line in lines {
            let time = String(line.prefix(30))
            #expect(time.last == "Z" && time.utf8.count == 30 && time >= before && time <= after)
        }
        #expect(try Files.status("\(node.path)/logs/form.log").mode == 0o640)
    }

    @Test func longLinesAreCutInParts() throws {
        let node = try ShimHarness()
        _ = try node.shell("long", "head -c 40000 /dev/zero | tr '\\0' x; echo; echo short")
        let lines = try Files.readString("\(node.path)/logs/long.log").split(separator: "\n").map { $0.dropFirst(31) }
        #expect(lines.map { $0.prefix(9) } == ["stdout P ", "stdout P ", "stdout F ", "stdout F "])
        #expect(lines.map { $0.utf8.count - 9 } == [16384, 16384, 40000 - 32768, 5])
        #expect(try node.output("long") == String(repeating: "x", count: 40000) + "\nshort\n")
    }

    @Test func everyLineSurvivesRotationAndTheAgentsDeath() throws {
        let node = try ShimHarness()
        let count = 400_000 // about 30 MB of log
        var plan = node.plan("lines", ["seq", "1", "\(count)"])
        plan.log.maximumSize = 1 << 20
        plan.log.maximumFiles = 100
        try node.start(plan)
        let started = try node.inbox.wait { $0.kind == .containerStarted }
        node.connection.close() // to the shim it looks the same as a kill -9
        try node.reconnect(after: started.sequence)
        let exit = try node.inbox.exit(of: "lines", seconds: 60)
        #expect(exit.code == 0 && exit.droppedLines == 0)
        // Of its own CPU time: how long it takes by the clock depends on who else runs.
        let ticks = try Files.readString("/proc/\(node.shimPID)/stat").split(separator: " ")[13...14].compactMap { Int($0) }.reduce(0, +)
        #expect(ticks < 5 * sysconf(Int32(_SC_CLK_TCK)), "30 MB of log must take less than 5 s")
        var next = 1
        let files = try files(node, "lines")
        #expect(files.count > 10)
        for (index, name) in files.enumerated() {
            let text = try Files.read("\(node.path)/logs/\(name)")
            #expect(text.count <= 1 << 20 && text.last == 0x0a)
            if index < files.count - 1 { #expect(text.count > 900_000, "a file is set aside when it is full, not before") }
            for line in text.split(separator: 0x0a) {
                if Int(String(decoding: line.dropFirst(40), as: UTF8.self)) != next { throw HarnessError(message: "expected line \(next), found \(String(decoding: line, as: UTF8.self))") }
                next += 1
            }
        }
        #expect(next == count + 1)
        #expect(node.inbox.all.filter { $0.kind == .containerStarted }.count == 1, "events before the acknowledged one are not sent again")
    }

    @Test func oldFilesAreRemoved() throws {
        let node = try ShimHarness()
        var plan = node.plan("few", ["seq", "1", "50000"])
        (plan.log.maximumSize, plan.log.maximumFiles) = (100_000, 3)
        _ = try node.run(plan)
        #expect(try files(node, "few").count == 3)
        #expect(try node.output("few").hasSuffix("50000\n"))
    }

    @Test func theLogIsOpenedAnewOnCommand() throws {
        let node = try ShimHarness()
        var plan = node.plan("again", ["sh", "-c", "echo first; read line; echo $line"])
        plan.process.stdin = true
        try node.start(plan)
        let path = "\(node.path)/logs/again.log"
        let deadline = Clocks.monotonic() + 10_000_000_000
        while try Files.status(path).size == 0, Clocks.monotonic() < deadline { usleep(1000) } // a file has no event for its reader
        try Files.rename(path, to: "\(path).old")
        _ = try node.connection.call(.reopenLog(container: "again"))
        let input = try Descriptors.pipe()
        _ = try node.connection.call(.attach(container: "again", input: true, output: false, errorOutput: false), descriptors: [input.read])
        try input.write.writeAll(Array("second\n".utf8))
        #expect(try node.inbox.exit(of: "again").code == 0)
        #expect(try node.output("again") == "second\n")
        #expect(try Files.readString("\(path).old").hasSuffix(" stdout F first\n"))
    }

    @Test func aFullDiskDropsAndCountsButNeverBlocks() throws {
        let node = try ShimHarness(prepare: { path in
            try Mounts.mount("tmpfs", at: "\(path)/logs", type: "tmpfs", data: "size=256k")
        })
        let exit = try node.run(node.plan("full", ["seq", "1", "100000"]))
        #expect(exit.code == 0)
        let path = "\(node.path)/logs/full.log"
        let text = try Namespaces.inside("/proc/self/fd/\(node.mountNamespace.raw)", .mount) { try Files.read(path) }
        let lines = text.split(separator: 0x0a)
        #expect(text.last == 0x0a && lines.count > 1000)
        #expect(exit.droppedLines == UInt64(100_000 - lines.count), "every line is either written whole or counted")
    }

    @Test func aPlantedLinkIsNotFollowed() throws {
        let node = try ShimHarness()
        try Files.write([], to: "\(node.path)/victim")
        try Files.symlink("\(node.path)/victim", at: "\(node.path)/logs/link.log")
        let error = #expect(throws: ShimError.self) { try node.connection.call(.create(node.plan("link", ["true"]))) }
        #expect(error?.failure?.errno == ELOOP)
    }

    @Test func eventsAreKeptUntilAcknowledged() throws {
        let node = try ShimHarness()
        for id in ["a", "b", "c"] { _ = try node.run(node.plan(id, ["true"])) }
        node.connection.close()
        let first = node.inbox.all.map(\.sequence)
        #expect(first == Array(1...6))
        try node.reconnect(after: 0)
        _ = try node.inbox.wait { _ in node.inbox.all.count == 12 }
        #expect(Array(node.inbox.all.map(\.sequence)[6...]) == first, "the same events with the same numbers")
        _ = try node.connection.call(.acknowledge(upTo: 4))
        node.connection.close()
        try node.reconnect(after: 0)
        _ = try node.inbox.wait { _ in node.inbox.all.count == 14 }
        #expect(Array(node.inbox.all.map(\.sequence)[12...]) == [5, 6])
        #expect(node.connection.hello.lastEvent == 6)
        #expect(try node.connection.call(.status).reply.containers.count == 3)
    }

    @Test func nonsenseClosesTheConnectionOnly() throws {
        let node = try ShimHarness()
        let folder = try openFile(node.pod, [.path, .directory])
        var random = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            let socket = try UnixSockets.connect("shim.sock", in: folder)
            let bytes = (0..<200).map { _ in UInt8.random(in: 0 ... .max, using: &random) }
            try? socket.writeAll(bytes) // the shim may have closed it
        }
        #expect(try node.run(node.plan("a", ["true"])).code == 0)
    }
}

enum Timestamps {
    /// RFC 3339 as the C library writes it: the oracle for the shim's own.
    static func text(_ nanoseconds: Int64) -> String {
        var seconds = time_t(nanoseconds / 1_000_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        var buffer = [CChar](repeating: 0, count: 32)
        strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%S", &parts)
        let fraction = String(nanoseconds % 1_000_000_000)
        let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return text + "." + String(repeating: "0", count: 9 - fraction.count) + fraction + "Z"
    }
}
