import KubeHTTP
import NIOHTTP1
import JSONTree
import Storage
import Testing

@Suite struct ListTests {
    private func server(_ names: [String]) async throws -> TestServer {
        let server = try await TestServer()
        for name in names { try await server.create(configMaps, .configMap(name)) }
        return server
    }

    @Test func aListIsSortedAndHasARevision() async throws {
        let server = try await server(["b", "a", "c"])
        let list = await server.get(configMaps)
        #expect(list.json["kind"] == "ConfigMapList")
        #expect(list.json["apiVersion"] == "v1")
        #expect(list.names == ["a", "b", "c"])
        #expect(list.json["items"]?[0] == (await server.get(configMaps + "/a").json))
        #expect(list.json.version == (await server.storage.currentRevisionText))
    }

    @Test func allNamespacesAreListedInTheOrderOfTheStorage() async throws {
        let server = try await TestServer()
        for namespace in ["a", "a-b", "a.b".replacing(".", with: "0")] {
            try await server.create(namespaces, ["apiVersion": "v1", "kind": "Namespace", "metadata": ["name": .string(namespace)]])
            try await server.create("/api/v1/namespaces/\(namespace)/configmaps", .configMap("m"))
        }
        func places(_ answer: Answer) -> [String] {
            (answer.json["items"]?.array ?? []).map { "\($0[path: "metadata", "namespace"]?.string ?? "")/\($0.name)" }
        }
        let all = places(await server.get("/api/v1/configmaps"))
        #expect(all == ["a-b/m", "a/m", "a0b/m"])
        var pages: [String] = []
        var token = ""
        repeat {
            let page = await server.get("/api/v1/configmaps?limit=1&continue=\(token)")
            pages += places(page)
            token = page.json[path: "metadata", "continue"]?.string?.replacing("+", with: "%2B").replacing("=", with: "%3D") ?? ""
        } while !token.isEmpty
        #expect(pages == all)
        #expect(places(await server.get("/api/v1/namespaces/a/configmaps")) == ["a/m"])
    }

    @Test func pagesAreOneSnapshot() async throws {
        let server = try await server(["a", "b", "c", "d", "e"])
        let first = await server.get(configMaps + "?limit=2")
        #expect(first.names == ["a", "b"])
        #expect(first.json[path: "metadata", "remainingItemCount"] == 3)
        let token = try #require(first.json[path: "metadata", "continue"]?.string).replacing("=", with: "%3D")

        _ = await server.call(.DELETE, configMaps + "/c")
        try await server.create(configMaps, .configMap("bb"))
        let second = await server.get(configMaps + "?limit=2&continue=\(token)")
        #expect(second.names == ["c", "d"])
        #expect(second.json.version == first.json.version)
        #expect(second.json[path: "metadata", "remainingItemCount"] == 1)
        let next = try #require(second.json[path: "metadata", "continue"]?.string).replacing("=", with: "%3D")
        let third = await server.get(configMaps + "?limit=2&continue=\(next)")
        #expect(third.names == ["e"])
        #expect(third.json[path: "metadata", "continue"] == nil)

        try await server.storage.compact(to: server.storage.currentRevision())
        let late = await server.get(configMaps + "?limit=2&continue=\(token)")
        #expect(late.status == 410)
        #expect(late.reason == "Expired")
    }

    @Test func aPageThatIsTheLastHasNoToken() async throws {
        let server = try await server(["a", "b"])
        for limit in [2, 3, 500] {
            let list = await server.get(configMaps + "?limit=\(limit)")
            #expect(list.names == ["a", "b"])
            #expect(list.json[path: "metadata", "continue"] == nil)
        }
        #expect(await server.get(configMaps + "?continue=nonsense").status == 400)
        #expect(await server.get(configMaps + "?limit=-1").status == 400)
    }

    @Test func selectorsChooseByLabelAndField() async throws {
        let server = try await TestServer()
        for (name, app) in [("a", "x"), ("b", "y"), ("c", "x")] { try await server.create(pods, .pod(name, labels: ["app": .string(app)])) }
        try await server.bind("c", to: "n1")
        #expect(await server.get(pods + "?labelSelector=app%3Dx").names == ["a", "c"])
        #expect(await server.get(pods + "?fieldSelector=spec.nodeName%3Dn1").names == ["c"])
        #expect(await server.get(pods + "?fieldSelector=spec.nodeName%3D").names == ["a", "b"])
        #expect(await server.get(pods + "?fieldSelector=metadata.name%3Db").names == ["b"])
        #expect(await server.get("/api/v1/pods?fieldSelector=metadata.namespace%3Ddefault,status.phase%21%3DRunning").names == ["a", "b", "c"])
        #expect(await server.get(pods + "?labelSelector=app%3Dx&limit=1").names == ["a"])
        let unknown = await server.get(pods + "?fieldSelector=spec.containers%3Dx")
        #expect(unknown.status == 400)
        #expect(unknown.message == "field label not supported: spec.containers")
    }

    @Test func aListMayBeOfARevision() async throws {
        let server = try await server(["a"])
        let then = await server.get(configMaps).json.version
        try await server.create(configMaps, .configMap("b"))
        #expect(await server.get(configMaps + "?resourceVersion=\(then)&resourceVersionMatch=Exact").names == ["a"])
        #expect(await server.get(configMaps + "?resourceVersion=\(then)&resourceVersionMatch=NotOlderThan").names == ["a", "b"])
        #expect(await server.get(configMaps + "?resourceVersion=0").names == ["a", "b"])
        let future = await server.get(configMaps + "?resourceVersion=9999&resourceVersionMatch=NotOlderThan")
        #expect(future.status == 504)
        #expect(future.message.hasPrefix("Too large resource version: 9999, current: "))
        #expect(await server.get(configMaps + "?resourceVersionMatch=Exact").status == 422)
        #expect(await server.get(configMaps + "?resourceVersion=x").status == 400)
    }

    @Test func metadataAloneIsEnoughForSome() async throws {
        let server = try await server(["a"])
        let list = await server.get(configMaps, accept: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json")
        #expect(list.json["kind"] == "PartialObjectMetadataList")
        #expect(list.json["items"]?[0]?["kind"] == "PartialObjectMetadata")
        #expect(list.json["items"]?[0]?["data"] == nil)
        let one = await server.get(configMaps + "/a", accept: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
        #expect(one.json["kind"] == "PartialObjectMetadata")
        #expect(one.json.name == "a")
    }

    @Test func whatTheServerCannotWriteIsRefused() async throws {
        let server = try await server([])
        #expect(await server.get(configMaps, accept: "application/vnd.kubernetes.protobuf").status == 406)
        #expect(await server.get(configMaps, accept: "application/vnd.kubernetes.protobuf,application/json").status == 200)
        #expect(await server.get(configMaps, accept: "*/*").status == 200)
    }

    @Test func largeListsAreStreamed() async throws {
        let server = try await TestServer()
        let filler = String(repeating: "x", count: 100_000)
        for index in 0..<5 { try await server.create(configMaps, .configMap("m\(index)", ["a": .string(filler)])) }
        guard case .stream(_, _, _) = await server.respond(.GET, configMaps) else {
            Issue.record("expected a list of 500 KB to be streamed")
            return
        }
        #expect(await server.get(configMaps).names.count == 5)
    }
}

extension Storage where Self: Sendable {
    var currentRevisionText: String {
        get async { (try? await currentRevision()).map(String.init) ?? "" }
    }
}
