import KubeHTTP
import NIOHTTP1
import JSONTree
import Testing

@Suite struct NodeProxyTests {
    private func server(containers: [String] = ["main"], initContainers: [String] = [], bound: Bool = true) async throws -> TestServer {
        let server = try await TestServer()
        try await server.create(
            nodes,
            [
                "apiVersion": "v1", "kind": "Node", "metadata": ["name": "n1"],
                "status": [
                    "addresses": [["type": "Hostname", "address": "n1.local"], ["type": "InternalIP", "address": "10.0.0.9"]],
                    "daemonEndpoints": ["kubeletEndpoint": ["Port": 10251]],
                ],
            ])
        func list(_ names: [String]) -> JSON { .array(names.map { ["name": .string($0), "image": "i"] }) }
        var body = JSON.pod("p").with(list(containers), at: "spec", "containers")
        if !initContainers.isEmpty { body = body.with(list(initContainers), at: "spec", "initContainers") }
        try await server.create(pods, body)
        if bound { try await server.bind("p", to: "n1") }
        return server
    }

    @Test func logsComeFromTheNode() async throws {
        let target = await (try await server()).get(pods + "/p/log?follow=true&tailLines=5&pretty=1").tunnel
        #expect(target?.host == "10.0.0.9")
        #expect(target?.port == 10251)
        #expect(target?.uri == "/containerLogs/default/p/main?follow=true&tailLines=5")
    }

    @Test func execIsTranslatedToTheNodesWords() async throws {
        let target = await (try await server()).get(pods + "/p/exec?command=sh&command=-c&command=echo+a%26b&stdin=true&stdout=true&tty=true&stderr=false").tunnel
        #expect(target?.uri == "/exec/default/p/main?input=1&output=1&tty=1&command=sh&command=-c&command=echo%20a%26b")
        let attach = await (try await server()).get(pods + "/p/attach?stdout=1&container=main").tunnel
        #expect(attach?.uri == "/attach/default/p/main?output=1")
        let forward = await (try await server()).get(pods + "/p/portforward?ports=80&ports=81").tunnel
        #expect(forward?.uri == "/portForward/default/p?port=80&port=81")
    }

    @Test func theContainerMustBeClear() async throws {
        let server = try await server(containers: ["a", "b"], initContainers: ["i"])
        #expect(await server.get(pods + "/p/log").message == "a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i]")
        #expect(await server.get(pods + "/p/log?container=x").message == "container x is not valid for pod p")
        #expect(await server.get(pods + "/p/log?container=i").tunnel?.uri == "/containerLogs/default/p/i?".dropLast().description)
        #expect(await server.get(pods + "/none/log").status == 404)
    }

    @Test func aPodWithoutANodeHasNoLogAndNoShell() async throws {
        let server = try await server(bound: false)
        let log = await server.get(pods + "/p/log")
        #expect(log.status == 200)
        #expect(log.bytes.isEmpty)
        let exec = await server.get(pods + "/p/exec?command=sh&stdout=1")
        #expect(exec.status == 400)
        #expect(exec.message == "pod p does not have a host assigned")
    }

    @Test func anExecNeedsACommandAndAStream() async throws {
        let server = try await server()
        #expect(await server.get(pods + "/p/exec?stdout=1").message == "you must specify at least 1 command for the container")
        #expect(await server.get(pods + "/p/exec?command=sh").message == "you must specify at least 1 of stdin, stdout, stderr")
    }

    @Test func aNodeThatIsGoneIsSaid() async throws {
        let server = try await server()
        _ = await server.call(.DELETE, nodes + "/n1")
        #expect(await server.get(pods + "/p/log").message == #"nodes "n1" not found"#)
    }
}
