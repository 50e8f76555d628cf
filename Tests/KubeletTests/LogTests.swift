import Glibc
import Synchronization
import Testing
@testable import Kubelet

@Suite("Container logs", .timeLimit(.minutes(1)))
struct LogTests {
    private let directory = TemporaryDirectory()
    private var path: String { directory.path + "/0.log" }

    private func line(_ number: Int, _ text: String? = nil, stream: String = "stdout", tag: String = "F") -> String {
        "\(WallTime(seconds: 1_800_000_000 + Int64(number)).rfc3339.dropLast()).000000001Z \(stream) \(tag) \(text ?? "line \(number)")\n"
    }

    private func write(_ lines: [String], to name: String = "0.log") throws { try HostFiles.write(Array(lines.joined().utf8), to: directory.path + "/" + name) }

    private func append(_ text: String) {
        let descriptor = open(path, O_WRONLY | O_APPEND)
        let bytes = Array(text.utf8)
        _ = Glibc.write(descriptor, bytes, bytes.count)
        close(descriptor)
    }

    private func read(_ configure: (inout LogOptions) -> Void = { _ in }) async throws -> String {
        var options = LogOptions()
        configure(&options)
        let output = Recorded<[UInt8]>()
        try await LogReader(path: path, options: options, watcher: try FileWatcher()).run(ended: AsyncStream { $0.finish() }) { output.append($0) }
        return String(decoding: output.all.joined(), as: UTF8.self)
    }

    @Test func whole() async throws {
        try write([line(1), line(2, stream: "stderr"), line(3)])
        #expect(try await read() == "line 1\nline 2\nline 3\n")
        #expect(try await read { $0.stream = .stderr } == "line 2\n")
    }

    @Test func partsOfALineAreJoined() async throws {
        try write([line(1, "a", tag: "P"), line(2, "b", tag: "P"), line(3, "c"), line(4)])
        #expect(try await read() == "abc\nline 4\n")
        #expect(try await read { $0.timestamps = true } == "2027-01-15T08:00:01.000000001Z abc\n2027-01-15T08:00:04.000000001Z line 4\n")
        #expect(try await read { $0.tailLines = 2 } == "abc\nline 4\n")
    }

    @Test func tailAcrossRotatedFiles() async throws {
        try write([line(1), line(2)], to: "0.log.2")
        try write([line(3), line(4)], to: "0.log.1")
        try write([line(5)])
        #expect(try await read() == "line 1\nline 2\nline 3\nline 4\nline 5\n")
        #expect(try await read { $0.tailLines = 0 } == "")
        #expect(try await read { $0.tailLines = 1 } == "line 5\n")
        #expect(try await read { $0.tailLines = 4 } == "line 2\nline 3\nline 4\nline 5\n")
        #expect(try await read { $0.tailLines = 100 } == "line 1\nline 2\nline 3\nline 4\nline 5\n")
    }

    @Test func rotatedFilesByDateComeInOrder() {
        for name in ["0.log", "0.log.20260101-000000", "0.log.20260102-000000", "0.log.20260103-000000.gz", "1.log"] {
            try? HostFiles.write([], to: directory.path + "/" + name)
        }
        #expect(LogFiles.paths(of: path).map { $0.dropFirst(directory.path.count + 1) } == ["0.log.20260101-000000", "0.log.20260102-000000", "0.log"])
        #expect(LogFiles.instances(in: directory.path) == [0, 1])
    }

    @Test func since() async throws {
        try write([line(1), line(2), line(3)])
        #expect(try await read { $0.since = WallTime(seconds: 1_800_000_002) } == "line 2\nline 3\n")
    }

    @Test func limit() async throws {
        try write([line(1), line(2)])
        #expect(try await read { $0.limitBytes = 9 } == "line 1\nli")
    }

    @Test func tornLinesAreLeftOut() async throws {
        try write([line(1), "garbage\n", line(2), "2027-01-15T08:00:04Z stdout F torn"])
        #expect(try await read() == "line 1\nline 2\n")
    }

    @Test("follow sees every line through a rotation, and ends with the container")
    func follow() async throws {
        try write([line(1)])
        var options = LogOptions()
        options.follow = true
        let output = Recorded<String>()
        let (ended, end) = AsyncStream<Void>.makeStream()
        let reader = LogReader(path: path, options: options, watcher: try FileWatcher())
        let task = Task { try await reader.run(ended: ended) { output.append(String(decoding: $0, as: UTF8.self)) } }
        await output.wait { $0.joined() == "line 1\n" }
        append(line(2))
        await output.wait { $0.joined() == "line 1\nline 2\n" }
        append(line(3))
        try HostFiles.rename(path, to: path + ".1")
        try write([line(4)])
        await output.wait { $0.joined() == "line 1\nline 2\nline 3\nline 4\n" }
        append(line(5))
        end.finish()
        try await task.value
        #expect(output.all.joined() == "line 1\nline 2\nline 3\nline 4\nline 5\n")
    }

    @Test func optionsOfTheAPI() throws {
        let now = WallTime(seconds: 1_800_000_000)
        func options(_ query: [String: String]) throws(KubeletError) -> LogOptions { try LogOptions(query: { query[$0] }, now: now) }
        let all = try options(["follow": "true", "previous": "1", "tailLines": "5", "timestamps": "true", "limitBytes": "10", "sinceSeconds": "60"])
        #expect(all.follow && all.previous && all.timestamps && all.tailLines == 5 && all.limitBytes == 10)
        #expect(all.since == WallTime(seconds: 1_799_999_940))
        for wrong in [["tailLines": "-1"], ["tailLines": "x"], ["limitBytes": "0"], ["sinceTime": "yesterday"], ["follow": "maybe"], ["sinceSeconds": "1", "sinceTime": "2027-01-15T08:00:00Z"]] {
            #expect(throws: KubeletError.self, "\(wrong)") { try options(wrong) }
        }
    }

    @Test func aLinkIsNotFollowed() async throws {
        try HostFiles.makeLink(path, to: "/etc/passwd")
        await #expect(throws: KubeletError.self) { try await read() }
    }
}

@Suite("Times")
struct WallTimeTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("2000-02-29T12:34:56Z", 951_827_696), ("2026-11-21T09:15:00Z", 1_795_252_500), ("1969-12-31T23:59:59Z", -1),
    ])
    func roundTrip(text: String, seconds: Int64) {
        #expect(WallTime(rfc3339: text)?.seconds == seconds)
        #expect(WallTime(seconds: seconds).rfc3339 == text)
    }

    @Test func fractionsAndOffsets() {
        #expect(WallTime(rfc3339: "1970-01-01T01:00:00.123456789+01:00")?.nanoseconds == 123_456_789)
        #expect(WallTime(nanoseconds: 1_500_000).rfc3339Micro == "1970-01-01T00:00:00.001500Z")
        for wrong in ["", "1970-01-01", "1970-13-01T00:00:00Z", "1970-01-01T00:00:00", "1970-01-01T00:00:00.Z", "1970-01-01T00:00:00Zx"] {
            #expect(WallTime(rfc3339: wrong) == nil, "\(wrong)")
        }
    }
}
