import KubeHTTP
import NIOHTTP1
import JSONTree
import Storage
import Testing

@Suite(.timeLimit(.minutes(1))) struct WatchTests {
    @Test func aWatchBeginsWithWhatIsThere() async throws {
        let server = try await TestServer()
        try await server.create(configMaps, .configMap("a"))
        let watch = try await server.watch(configMaps + "?watch=true")
        try await server.create(configMaps, .configMap("b"))
        _ = await server.call(.PATCH, configMaps + "/a", ["data": ["a": "2"]], type: "application/merge-patch+json")
        _ = await server.call(.DELETE, configMaps + "/b")
        let events = await watch.next(4)
        #expect(events.map { "\($0["type"]?.string ?? "") \($0["object"]?.name ?? "")" } == ["ADDED a", "ADDED b", "MODIFIED a", "DELETED b"])
        let revisions = events.compactMap { $0["object"].flatMap { Int($0.version) } }
        #expect(revisions == revisions.sorted() && Set(revisions).count == 4)
        #expect(events[2]["object"]?["data"] == ["a": "2"])
    }

    @Test func aWatchResumesFromAVersion() async throws {
        let server = try await TestServer()
        try await server.create(configMaps, .configMap("a"))
        let version = await server.get(configMaps).json.version
        try await server.create(configMaps, .configMap("b"))
        _ = await server.call(.DELETE, configMaps + "/a")
        let watch = try await server.watch(configMaps + "?watch=1&resourceVersion=\(version)")
        #expect(await watch.short(2) == ["ADDED b", "DELETED a"])
    }

    @Test func watchesResumeAcrossARestartAndSeeTheSame() async throws {
        let storage = try SQLiteStorage.inMemory()
        let first = try await TestServer(storage: storage)
        let version = await first.get(configMaps).json.version
        let live = try await first.watch(configMaps + "?watch=1&resourceVersion=\(version)")
        for index in 0..<20 { try await first.create(configMaps, .configMap("m\(index)")) }
        _ = await first.call(.DELETE, configMaps + "/m3")
        let second = try await TestServer(storage: storage)
        try await second.create(configMaps, .configMap("after"))
        let resumed = try await second.watch(configMaps + "?watch=1&resourceVersion=\(version)")
        let seen = await live.next(22)
        #expect(await resumed.next(22) == seen)
        #expect(seen[20]["type"] == "DELETED")
    }

    @Test func whatIsOlderThanTheWindowComesFromTheLog() async throws {
        let server = try await TestServer()
        let version = await server.get(configMaps).json.version
        for index in 0..<700 { try await server.create(configMaps, .configMap("m\(index)")) }
        let watch = try await server.watch(configMaps + "?watch=1&resourceVersion=\(version)")
        try await server.create(configMaps, .configMap("last"))
        let events = await watch.short(701)
        #expect(events.first == "ADDED m0")
        #expect(events.last == "ADDED last")
        #expect(Set(events).count == 701)
    }

    @Test func aCompactedVersionHasExpired() async throws {
        let storage = try SQLiteStorage.inMemory()
        let first = try await TestServer(storage: storage)
        let version = await first.get(configMaps).json.version
        try await first.create(configMaps, .configMap("a"))
        try await first.create(configMaps, .configMap("b"))
        try await storage.compact(to: storage.currentRevision())
        let server = try await TestServer(storage: storage)
        let events = await (try await server.watch(configMaps + "?watch=1&resourceVersion=\(version)")).next(2)
        #expect(events.count == 1)
        #expect(events.first?["type"] == "ERROR")
        #expect(events.first?["object"]?["code"] == 410)
        #expect(events.first?["object"]?["reason"] == "Expired")
        #expect(events.first?["object"]?["message"]?.string?.hasPrefix("too old resource version: \(version) (") == true)
    }

    @Test func aVersionOfTheFutureIsRefused() async throws {
        let server = try await TestServer()
        #expect(await server.get(configMaps + "?watch=1&resourceVersion=9999").status == 504)
    }

    @Test func objectsEnterAndLeaveASelector() async throws {
        let server = try await TestServer()
        try await server.create(pods, .pod("a", labels: ["app": "x"]))
        let watch = try await server.watch(pods + "?watch=1&labelSelector=app%3Dx")
        func label(_ value: String) async {
            _ = await server.call(.PATCH, pods + "/a", ["metadata": ["labels": ["app": .string(value)]]], type: "application/merge-patch+json")
        }
        await label("y")
        await label("z")
        await label("x")
        try await server.create(pods, .pod("other"))
        _ = await server.call(.DELETE, pods + "/a")
        let events = await watch.next(4)
        #expect(events.map { $0["type"]?.string } == ["ADDED", "DELETED", "ADDED", "DELETED"])
        // What leaves is told as it was, under the revision of the change.
        #expect(events[1]["object"]?[path: "metadata", "labels"] == ["app": "x"])
        #expect((Int(events[1]["object"]?.version ?? "") ?? 0) > (Int(events[0]["object"]?.version ?? "") ?? 0))
    }

    @Test func aNodeHearsOfThePodsThatAreBoundToIt() async throws {
        let server = try await TestServer()
        let watch = try await server.watch("/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dn1")
        try await server.create(pods, .pod("a"))
        try await server.create(pods, .pod("b"))
        try await server.bind("b", to: "n1")
        #expect(await watch.short(1) == ["ADDED b"])
    }

    @Test func initialEventsEndWithABookmark() async throws {
        let server = try await TestServer()
        try await server.create(configMaps, .configMap("a"))
        let query = "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        let events = await (try await server.watch(configMaps + query)).next(2)
        #expect(events[0]["object"]?.name == "a")
        #expect(events[1]["type"] == "BOOKMARK")
        #expect(events[1]["object"]?["kind"] == "ConfigMap")
        #expect(events[1]["object"]?[path: "metadata", "annotations"] == ["k8s.io/initial-events-end": "true"])
        #expect(events[1]["object"]?.version == (await server.get(configMaps).json.version))
        #expect(await server.get(configMaps + "?watch=1&sendInitialEvents=true").status == 422)
    }

    @Test func aWatchEndsInTimeWithABookmark() async throws {
        let server = try await TestServer()
        let watch = try await server.watch(configMaps + "?watch=1&timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion=1")
        try await server.create(pods, .pod("x"))
        let version = await server.get(configMaps).json.version
        // Ends by itself after one event: the next one does not come.
        let events = await watch.next(3)
        #expect(events.map { $0["type"]?.string } == ["BOOKMARK"])
        #expect(events.first?["object"]?.version == version)
    }

    @Test func watchesEndWithTheStorage() async throws {
        let server = try await TestServer()
        let watch = try await server.watch(configMaps + "?watch=1")
        await server.storage.close()
        #expect(await watch.next(1).isEmpty)
        #expect(await server.get(configMaps).status == 503)
    }

    @Test func eventsExpireAndWatchersHearIt() async throws {
        let server = try await TestServer()
        let watch = try await server.watch("/api/v1/events?watch=1")
        let event: JSON = [
            "apiVersion": "v1", "kind": "Event", "metadata": ["name": "e"], "involvedObject": ["kind": "Pod", "name": "p", "namespace": "default"],
        ]
        try await server.create("/api/v1/namespaces/default/events", event)
        #expect(await watch.short(1) == ["ADDED e"])
        let wrong = await server.call(.POST, "/api/v1/namespaces/default/events", event.with("other", at: "involvedObject", "namespace"))
        #expect(wrong.causes == [#"involvedObject.namespace: Invalid value: "other": does not match event.namespace"#])
    }
}
