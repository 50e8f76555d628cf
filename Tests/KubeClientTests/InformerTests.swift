import JSONTree
import KubeClient
import KubeTypes
import Logging
import Synchronization
import Testing

@Suite struct InformerTests {
    /// Plays the script and returns the changes up to the given number, and what was asked.
    private func play(_ steps: [ScriptedTransport.Step], changes count: Int) async -> (told: [String], asked: [String]) {
        let transport = ScriptedTransport(steps)
        let pausesCount = Mutex(0)
        let backoff = Backoff(first: .seconds(1), limit: .seconds(8), sleep: { _ in
            // Does not wait; a script that fails for ever would spin, so there is an end.
            let pauses = pausesCount.withLock { count -> Int in
                count += 1
                return count
            }
            if pauses > 50 { throw CancellationError() }
        }, random: { 1 })
        let informer = Informer<ConfigMap>(KubeClient(transport: transport), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, backoff: backoff)
        let stream = informer.changes()
        let running = Task { await informer.run() }
        var told: [String] = []
        if count > 0 {
            for await change in stream {
                switch change {
                case .added(let object): told.append("+\(object.metadata.name ?? "")@\(object.metadata.resourceVersion ?? "")")
                case .modified(let object, let previous):
                    told.append("~\(object.metadata.name ?? "")@\(previous.metadata.resourceVersion ?? "")>\(object.metadata.resourceVersion ?? "")")
                case .deleted(let object): told.append("-\(object.metadata.name ?? "")")
                case .synced: told.append("synced")
                }
                if told.count == count { break }
            }
        }
        running.cancel()
        await running.value
        return (told, transport.log)
    }

    @Test func listsThenFollows() async {
        let (told, asked) = await play([
            .answer(200, listOf(10, configMap("a", 5))),
            .open([line("ADDED", configMap("b", 11)) + line("MODIFIED", configMap("a", 12)), line("DELETED", configMap("b", 13))]),
        ], changes: 5)
        #expect(told == ["+a@5", "synced", "+b@11", "~a@5>12", "-b"])
        #expect(asked[0].hasPrefix("GET /api/v1/configmaps"))
        #expect(asked[1].contains("watch=true") && asked[1].contains("resourceVersion=10") && asked[1].contains("allowWatchBookmarks=true"))
    }

    @Test func eventsCutAnywhereArePutTogether() async {
        let text = line("ADDED", configMap("ä", 11, value: "€")) + line("ADDED", configMap("b", 12))
        // Pieces of bytes, since cuts fall inside characters too.
        let bytes = Array(text.utf8)
        let pieces = stride(from: 0, to: bytes.count, by: 7).map { Array(bytes[$0..<min($0 + 7, bytes.count)]) }
        struct Pieces: Transport {
            var pieces: [[UInt8]]
            func send(_ request: APIRequest) async throws -> APIResponse { APIResponse(status: 500, body: []) }
            func stream(_ request: APIRequest) async throws -> APIStream {
                APIStream(status: 200, body: AsyncThrowingStream { continuation in
                    for piece in pieces { continuation.yield(piece) }
                    continuation.finish()
                })
            }
        }
        var names: [String] = []
        do {
            for try await event in try await KubeClient(transport: Pieces(pieces: pieces)).watch(ConfigMap.resource, options: .init(), seconds: 60) {
                if case .added(let json) = event { names.append(json[path: "metadata", "name"]?.string ?? "") }
            }
        } catch {
            Issue.record(error)
        }
        #expect(names == ["ä", "b"])
    }

    @Test func brokenWatchResumesFromTheLastVersion() async {
        let (told, asked) = await play([
            .answer(200, listOf(10)),
            .watch([line("ADDED", configMap("a", 11))], failing: true),
            .refuse,
            .watch([line("MODIFIED", configMap("a", 12))]),
            .open([line("DELETED", configMap("a", 13))]),
        ], changes: 4)
        #expect(told == ["synced", "+a@11", "~a@11>12", "-a"])
        let versions = asked.dropFirst().map { request in ["=10", "=11", "=12"].first { request.contains("resourceVersion\($0)") } ?? request }
        #expect(versions == ["=10", "=11", "=11", "=12"])
    }

    @Test func bookmarksMoveTheVersion() async {
        let bookmark: JSON = ["kind": "ConfigMap", "metadata": ["resourceVersion": "50"]]
        let (told, asked) = await play([
            .answer(200, listOf(10)),
            .watch([line("BOOKMARK", bookmark)]),
            .open([line("ADDED", configMap("a", 60))]),
        ], changes: 2)
        #expect(told == ["synced", "+a@60"])
        #expect(asked[2].contains("resourceVersion=50"))
    }

    @Test func goneIsAnsweredByAListThatTellsOnlyDifferences() async {
        for status in [ScriptedTransport.Step.answer(410, gone), .watch([line("ERROR", gone)])] {
            let (told, asked) = await play([
                .answer(200, listOf(10, configMap("same", 1), configMap("changed", 2), configMap("dropped", 3), configMap("replaced", 4, uid: "old"))),
                status,
                .answer(200, listOf(90, configMap("same", 1), configMap("changed", 80), configMap("replaced", 81, uid: "new"), configMap("fresh", 82))),
                .open([line("ADDED", configMap("last", 91))]),
            ], changes: 11)
            #expect(told.prefix(4).sorted() == ["+changed@2", "+dropped@3", "+replaced@4", "+same@1"])
            #expect(told[4] == "synced")
            #expect(told.dropFirst(5).dropLast().sorted() == ["+fresh@82", "+replaced@81", "-dropped", "-replaced", "~changed@2>80"])
            #expect(told.last == "+last@91")
            #expect(asked.last?.contains("resourceVersion=90") == true)
        }
    }

    @Test func failuresBackOffUpToTheLimit() {
        let backoff = Backoff(first: .seconds(1), limit: .seconds(8), random: { 1 })
        #expect((1...6).map { backoff.delay($0) } == [1, 2, 4, 8, 8, 8].map { .seconds($0) })
        let halved = Backoff(first: .seconds(1), limit: .seconds(8), random: { 0 })
        #expect(halved.delay(3) == .seconds(2))
        #expect(backoff.delay(1_000_000) == .seconds(8))
    }
}
