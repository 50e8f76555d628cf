import Glibc
import JSONTree
import KubeClient
import KubeTypes
import Logging
import Runtime
import Synchronization
import Testing

@testable import Kubelet

@Suite("Tokens of service accounts", .timeLimit(.minutes(1)))
struct TokenTests {
    private let volumes: JSON = [["name": "t", "projected": ["sources": [["serviceAccountToken": ["path": "token", "expirationSeconds": 1000, "audience": "vault"]]]]]]

    private func spec(_ podContext: JSON = [:], _ containerContext: JSON = [:]) -> JSON {
        [
            "serviceAccountName": "bot", "securityContext": podContext, "volumes": volumes,
            "containers": [[
                "name": "web", "image": "nginx", "imagePullPolicy": "IfNotPresent", "securityContext": containerContext,
                "volumeMounts": [["name": "t", "mountPath": "/token"]],
            ]],
        ]
    }

    /// The token's file on the host, as the running container sees it.
    private func file(_ bench: Bench) throws -> String {
        try #require(bench.runtime.running("web")?.configuration.mounts.first { $0.target == "/token" }).source + "/token"
    }

    @Test func aPodGetsATokenOfItsAccountBoundToIt() async throws {
        let bench = Bench()
        try await bench.run { _ in
            await bench.start(pod(spec())) { $0.isReady }
            let source = try #require(bench.api.tokens.all.first)
            #expect(source == TokenSource(podUID: "uid-1", podName: "web", namespace: "default", account: "bot", audience: "vault", expirationSeconds: 1000))
            #expect(source.request[path: "spec", "boundObjectRef"] == ["apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "uid-1"])
            #expect(source.request[path: "spec", "audiences"] == ["vault"])
            let path = try file(bench)
            #expect(HostFiles.text(path) == "token-1")
            #expect(HostFiles.status(path).map { $0.st_mode & 0o777 } == 0o644)
            #expect(bench.mounter.isMounted(HostFiles.parent(of: path)), "secrets never touch a disk")
        }
    }

    @Test("a new token comes when four fifths of the old one's life are over, not before")
    func rotation() async throws {
        let bench = Bench()
        try await bench.run { _ in
            await bench.start(pod(spec())) { $0.isReady }
            let path = try file(bench)
            let before = HostFiles.link(HostFiles.parent(of: path) + "/..data")
            await bench.clock.advance(by: .seconds(799), whenSomethingSleeps: false)
            #expect(bench.api.tokens.all.count == 1)
            await bench.clock.advance(by: .seconds(1))
            await bench.api.tokens.wait { $0.count == 2 }
            while !Task.isCancelled, HostFiles.text(path) != "token-2" { await Task.yield() }
            #expect(HostFiles.link(HostFiles.parent(of: path) + "/..data") != before, "swapped as one")
        }
    }

    @Test("a server that does not answer is asked again, and the old token stays as long as it is valid")
    func serverAway() async throws {
        let clock = ManualClock()
        let api = FakeAPI()
        api.state.withLock { $0.clock = clock }
        let tokens = ServiceAccountTokens(client: api, clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let source = TokenSource(podUID: "u", podName: "p", namespace: "n", account: "a", audience: "", expirationSeconds: 1000)
        api.state.withLock { $0.isOffline = true }
        await #expect(throws: KubeletError.self) { try await tokens.token(source) }
        api.state.withLock { $0.isOffline = false }
        #expect(try await tokens.token(source) == "token-1")
        #expect(try await tokens.token(source) == "token-1", "one request as long as it is fresh")
        await clock.advance(by: .seconds(900), whenSomethingSleeps: false)
        api.state.withLock { $0.isOffline = true }
        #expect(try await tokens.token(source) == "token-1")
        api.state.withLock { $0.isOffline = false }
        #expect(try await tokens.token(source) == "token-1", "the next try waits")
        await clock.advance(by: ServiceAccountTokens.retry, whenSomethingSleeps: false)
        #expect(try await tokens.token(source) == "token-2")
        await clock.advance(by: .seconds(1001), whenSomethingSleeps: false)
        api.state.withLock { $0.isOffline = true }
        await #expect(throws: KubeletError.self) { try await tokens.token(source) }
    }

    @Test("tokens that are due are told of once, and again later; those of pods that are gone are forgotten")
    func announcements() async throws {
        let clock = ManualClock()
        let api = FakeAPI()
        api.state.withLock { $0.clock = clock }
        let tokens = ServiceAccountTokens(client: api, clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        func source(_ uid: String) -> TokenSource {
            TokenSource(podUID: uid, podName: uid, namespace: "n", account: "a", audience: "", expirationSeconds: 1000)
        }
        let told = Recorded<String>()
        let run = Task { await tokens.run { told.append($0); return $0 == "stays" } }
        defer { run.cancel() }
        for uid in ["stays", "goes"] { _ = try await tokens.token(source(uid)) }
        await clock.advance(by: .seconds(800))
        await told.wait { $0.count == 2 }
        #expect(Set(told.all) == ["stays", "goes"])
        await clock.advance(by: ServiceAccountTokens.retry)
        await told.wait { $0.count == 3 }
        #expect(told.all.last == "stays")
    }

    @Test(arguments: [
        ([:], [:], 0o644, nil), (["fsGroup": 2000], [:], 0o600, nil), (["runAsUser": 1000], [:], 0o600, 1000),
        ([:], ["runAsUser": 1001], 0o600, 1001), (["runAsUser": 1000, "fsGroup": 5], ["runAsUser": 1001], 0o600, 1001),
    ] as [(JSON, JSON, UInt32, UInt32?)])
    func modes(_ podContext: JSON, _ containerContext: JSON, _ mode: UInt32, _ owner: UInt32?) async throws {
        let manifest = PodManifest(pod(spec(podContext, containerContext)))
        let (api, clock) = (FakeAPI(), ManualClock())
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let content = VolumeContent(
            manifest: manifest, addresses: [], references: ConfigObjects(client: api), tokens: ServiceAccountTokens(client: api, clock: clock, logger: logger),
            node: NodeFacts(name: "n", addresses: [], allocatable: ContainerDemand(), memory: 1, storage: 1))
        let files = try await content.files(of: try #require(manifest.pod.spec.volumes.first))
        #expect(files == ["token": VolumeFile(bytes: Array("token-1".utf8), mode: mode, owner: owner)])
    }

    @Test func usersThatDifferAreNoCommonUser() {
        let spec: JSON = [
            "securityContext": ["runAsUser": 1], "containers": [["name": "a"], ["name": "b", "securityContext": ["runAsUser": 2]]],
        ]
        #expect(PodManifest(pod(spec)).commonUser == nil)
        #expect(PodManifest(pod(["securityContext": ["runAsUser": 1], "containers": [["name": "a"], ["name": "b"]]])).commonUser == 1)
        #expect(PodManifest(pod(["containers": [["name": "a", "securityContext": ["runAsUser": 1]], ["name": "b"]]])).commonUser == nil)
    }
}

@Suite("Services in the environment", .timeLimit(.minutes(1)))
struct ServiceEnvironmentTests {
    private func service(_ name: String, _ address: String, in namespace: String = "a", _ ports: [ServiceRecord.Port]) -> ServiceRecord {
        ServiceRecord(namespace: namespace, name: name, address: address, ports: ports)
    }

    private func names(_ services: [ServiceRecord], links: Bool = true) -> [String] {
        ServiceEnvironment.variables(services, namespace: "a", links: links).map(\.name).filter { $0.hasSuffix("_SERVICE_HOST") }
    }

    @Test func whatIsSaidOfAService() {
        let service = service("my-web", "10.96.0.7", [.init(name: "http-main", transport: "TCP", number: 80), .init(name: "dns", transport: "UDP", number: 53)])
        let variables = ServiceEnvironment.variables([service], namespace: "a", links: true).map { "\($0.name)=\($0.value)" }
        #expect(variables == [
            "MY_WEB_SERVICE_HOST=10.96.0.7", "MY_WEB_SERVICE_PORT=80", "MY_WEB_SERVICE_PORT_HTTP_MAIN=80", "MY_WEB_SERVICE_PORT_DNS=53",
            "MY_WEB_PORT=tcp://10.96.0.7:80", "MY_WEB_PORT_80_TCP=tcp://10.96.0.7:80", "MY_WEB_PORT_80_TCP_PROTO=tcp", "MY_WEB_PORT_80_TCP_PORT=80",
            "MY_WEB_PORT_80_TCP_ADDR=10.96.0.7", "MY_WEB_PORT_53_UDP=udp://10.96.0.7:53", "MY_WEB_PORT_53_UDP_PROTO=udp", "MY_WEB_PORT_53_UDP_PORT=53",
            "MY_WEB_PORT_53_UDP_ADDR=10.96.0.7",
        ])
    }

    @Test func whichServicesAreToldOf() {
        let port = [ServiceRecord.Port(name: "", transport: "TCP", number: 1)]
        let all = [
            service("own", "10.0.0.1", port), service("headless", "None", port), service("external", "", port), service("other", "10.0.0.2", in: "b", port),
            service("kubernetes", "10.96.0.1", in: "default", port), service("kubernetes", "10.0.0.3", port), service("web", "10.0.0.4", in: "default", port),
        ]
        #expect(names(all) == ["KUBERNETES_SERVICE_HOST", "OWN_SERVICE_HOST"])
        #expect(ServiceEnvironment.variables(all, namespace: "a", links: true).first?.value == "10.96.0.1")
        #expect(names(all, links: false) == ["KUBERNETES_SERVICE_HOST"])
    }

    @Test func aContainerIsToldAndItsOwnVariablesWin() async throws {
        let bench = Bench()
        bench.api.announce(.changed(service("kubernetes", "10.96.0.1", in: "default", [.init(name: "https", transport: "TCP", number: 443)])))
        let spec: JSON = ["containers": [[
            "name": "web", "image": "nginx", "imagePullPolicy": "IfNotPresent",
            "env": [["name": "KUBERNETES_SERVICE_PORT", "value": "1"], ["name": "URL", "value": "https://$(KUBERNETES_SERVICE_HOST)"]],
        ]]]
        try await bench.run { _ in
            await bench.start(pod(spec)) { $0.isReady }
            let environment = try #require(bench.runtime.running("web")?.configuration.environment)
            func value(_ name: String) -> String? { environment.first { $0.name == name }?.value }
            #expect(value("KUBERNETES_SERVICE_HOST") == "10.96.0.1")
            #expect(value("KUBERNETES_SERVICE_PORT") == "1")
            #expect(value("URL") == "https://10.96.0.1")
        }
    }

    @Test("a container's start waits for the first list, and fails in Kubernetes' words without one")
    func waiting() async throws {
        let (api, clock) = (FakeAPI(), ManualClock())
        api.state.withLock { $0.servicesAreListed = false }
        let directory = ServiceDirectory(client: api, clock: clock)
        let run = Task { await directory.run() }
        defer { run.cancel() }
        async let early = directory.variables(namespace: "a", links: true)
        await clock.advance(by: ServiceDirectory.patience)
        do {
            _ = try await early
            Issue.record("expected an error without a list")
        } catch {
            #expect("\(error)" == "services have not yet been read at least once, cannot construct envvars")
        }
        async let late = directory.variables(namespace: "a", links: true)
        api.announce(.changed(service("web", "10.0.0.1", [.init(name: "", transport: "TCP", number: 80)])))
        api.announce(.synchronized)
        let variables = try await late
        #expect(variables.first?.name == "WEB_SERVICE_HOST")
    }
}
