import Synchronization
import Runtime
import Glibc
import JSONTree
import KubeTypes
import Logging
import Testing
@testable import Kubelet

@Suite("Files of a volume, swapped as one")
struct AtomicVolumeWriterTests {
    private let directory = TemporaryDirectory()
    private let now = WallTime(seconds: 1_800_000_000)
    private func text(_ name: String) -> String? { HostFiles.text(directory.path + "/" + name) }
    private func file(_ text: String, mode: UInt32 = 0o644) -> VolumeFile { VolumeFile(bytes: Array(text.utf8), mode: mode) }

    @Test func layout() throws {
        let writer = AtomicVolumeWriter(directory: directory.path)
        #expect(try writer.write(["a": file("1", mode: 0o400), "deep/er/b": file("2")], now: now))
        #expect(text("a") == "1")
        #expect(text("deep/er/b") == "2")
        #expect(HostFiles.link(directory.path + "/a") == "..data/a")
        #expect(HostFiles.link(directory.path + "/deep") == "..data/deep")
        #expect(HostFiles.status(directory.path + "/a").map { $0.st_mode & 0o7777 } == 0o400)
    }

    @Test func updateReplacesEverythingAtOnce() throws {
        let writer = AtomicVolumeWriter(directory: directory.path)
        try writer.write(["a": file("1"), "gone": file("x")], now: now)
        let before = HostFiles.link(directory.path + "/..data")
        // A reader that holds the old directory goes on reading it.
        let held = open(directory.path + "/a", O_RDONLY)
        defer { close(held) }
        #expect(try writer.write(["a": file("2"), "new": file("y")], now: now))
        #expect(HostFiles.link(directory.path + "/..data") != before)
        #expect((text("a"), text("new"), text("gone")) == ("2", "y", nil))
        #expect(try HostFiles.read(held, "held", limit: 10) == Array("1".utf8))
        #expect(HostFiles.list(directory.path).filter { $0.hasPrefix("..") }.count == 2)
    }

    @Test func theSameContentIsLeftAlone() throws {
        let writer = AtomicVolumeWriter(directory: directory.path)
        try writer.write(["a": file("1")], now: now)
        let before = HostFiles.link(directory.path + "/..data")
        #expect(try !writer.write(["a": file("1")], now: now))
        #expect(HostFiles.link(directory.path + "/..data") == before)
        #expect(try writer.write(["a": file("1", mode: 0o600)], now: now), "another mode is another file")
    }

    @Test func anUpdateThatDiedIsFinished() throws {
        let writer = AtomicVolumeWriter(directory: directory.path)
        try writer.write(["a": file("1")], now: now)
        try HostFiles.makeLink(directory.path + "/..data_tmp", to: "nowhere")
        #expect(try writer.write(["a": file("2")], now: now))
        #expect(text("a") == "2")
    }

    @Test(arguments: ["", "../x", "a/../../b", "/abs", "..data", "a//b", "."])
    func pathsThatLeaveAreRefused(path: String) {
        #expect(throws: KubeletError.self) { try AtomicVolumeWriter(directory: directory.path).write([path: file("x")], now: now) }
    }
}

@Suite("Volumes of a pod", .timeLimit(.minutes(1)))
struct VolumeManagerTests {
    private let directory = TemporaryDirectory()
    private let api = FakeAPI()
    private let mounter = FakeMounter()
    private let clock = ManualClock()

    private var tokens: ServiceAccountTokens { ServiceAccountTokens(client: api, clock: clock, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) }
    private var manager: VolumeManager {
        VolumeManager(
            store: PodStore(root: directory.path, logRoot: directory.path), mounter: mounter, references: ConfigObjects(client: api), tokens: tokens, clock: clock,
            node: NodeFacts(name: "n", addresses: [], allocatable: ContainerDemand(cpuLimit: 4000, memoryLimit: 1 << 30), memory: 1 << 30, storage: 1))
    }

    private func manifest(_ volumes: JSON, labels: JSON = [:]) -> PodManifest {
        let limits: JSON = ["cpu": "250m", "memory": "64Mi"]
        return PodManifest(pod(["containers": [["name": "web", "resources": ["limits": limits]]], "volumes": volumes], labels: labels))
    }

    private func text(_ path: String) -> String? { HostFiles.text(directory.path + "/uid-1/volumes/" + path) }

    @Test func configMapWithItemsAndModes() async throws {
        api.put(.configMap, "c", ["a": "1", "b": "2"])
        let volumes: JSON = [["name": "v", "configMap": ["name": "c", "defaultMode": 0o600, "items": [["key": "b", "path": "sub/bee", "mode": 0o444]]]]]
        try await manager.prepare(manifest(volumes), addresses: [])
        #expect(text("configmap/v/sub/bee") == "2")
        #expect(text("configmap/v/a") == nil)
        #expect(HostFiles.status(directory.path + "/uid-1/volumes/configmap/v/sub/bee").map { $0.st_mode & 0o777 } == 0o444)
    }

    @Test func secretIsInMemoryAndUpdates() async throws {
        api.put(.secret, "s", ["key": "c2VjcmV0"])
        let manifest = manifest([["name": "v", "secret": ["secretName": "s"]]])
        let manager = manager
        try await manager.prepare(manifest, addresses: [])
        #expect(text("secret/v/key") == "secret")
        #expect(mounter.isMounted(directory.path + "/uid-1/volumes/secret/v"))
        api.put(.secret, "s", ["key": "bmV3"])
        try await manager.refresh(manifest, addresses: [])
        #expect(text("secret/v/key") == "new")
        try await manager.tearDown("uid-1")
        #expect(mounter.mounts.withLock { $0.isEmpty })
    }

    @Test func missingObjectsAndKeysAreNamed() async throws {
        api.put(.configMap, "c", ["a": "1"])
        func message(_ volume: JSON) async -> String? {
            do { try await manager.prepare(manifest([volume]), addresses: []) } catch { return (error as? KubeletError)?.message }
            return nil
        }
        #expect(await message(["name": "v", "configMap": ["name": "nope"]]) == "MountVolume.SetUp failed for volume \"v\" : configmap \"nope\" not found")
        #expect(await message(["name": "v", "configMap": ["name": "c", "items": [["key": "z", "path": "z"]]]])
            == "MountVolume.SetUp failed for volume \"v\" : references non-existent config key: z")
        #expect(await message(["name": "v", "configMap": ["name": "nope", "optional": true]]) == nil)
        #expect(await message(["name": "v", "hostPath": ["path": "/etc/passwd", "type": "Directory"]])
            == "MountVolume.SetUp failed for volume \"v\" : hostPath type check failed: /etc/passwd is not a directory")
    }

    @Test func projectedAndDownwardAPI() async throws {
        api.put(.configMap, "c", ["a": "1"])
        api.put(.secret, "s", ["b": "Mg=="])
        let fields: JSON = [
            "items": [
                ["path": "labels", "fieldRef": ["fieldPath": "metadata.labels"]], ["path": "name", "fieldRef": ["fieldPath": "metadata.name"]],
                ["path": "cpu", "resourceFieldRef": ["containerName": "web", "resource": "limits.cpu", "divisor": "1m"]],
                ["path": "memory", "resourceFieldRef": ["containerName": "web", "resource": "requests.memory"]],
            ]
        ]
        let volumes: JSON = [["name": "v", "projected": ["sources": [["configMap": ["name": "c"]], ["secret": ["name": "s"]], ["downwardAPI": fields]]]]]
        let manager = manager
        try await manager.prepare(manifest(volumes, labels: ["b": "2", "a": "say \"hi\""]), addresses: [])
        #expect(text("projected/v/a") == "1")
        #expect(text("projected/v/b") == "2")
        #expect(text("projected/v/labels") == "a=\"say \\\"hi\\\"\"\nb=\"2\"")
        #expect((text("projected/v/name"), text("projected/v/cpu"), text("projected/v/memory")) == ("web", "250", "0"))
        try await manager.refresh(manifest(volumes, labels: ["a": "new"]), addresses: [])
        #expect(text("projected/v/labels") == "a=\"new\"")
    }

    @Test func emptyDirKeepsItsContent() async throws {
        let manifest = manifest([["name": "v", "emptyDir": [:]], ["name": "m", "emptyDir": ["medium": "Memory", "sizeLimit": "1Mi"]]])
        let manager = manager
        try await manager.prepare(manifest, addresses: [])
        let path = directory.path + "/uid-1/volumes/empty-dir/v"
        #expect(HostFiles.status(path).map { $0.st_mode & 0o7777 } == 0o777)
        #expect(mounter.isMounted(directory.path + "/uid-1/volumes/empty-dir/m"))
        try HostFiles.write([1], to: path + "/kept")
        try await manager.prepare(manifest, addresses: [])
        #expect(HostFiles.exists(path + "/kept"))
    }

    @Test("a subPath stays inside its volume")
    func subPath() throws {
        let volume = directory.path + "/volume"
        try HostFiles.makeDirectory(volume)
        try HostFiles.write([1], to: volume + "/file")
        try HostFiles.makeLink(volume + "/inside", to: "file")
        try HostFiles.makeLink(volume + "/outside", to: "/etc")
        try HostFiles.makeLink(volume + "/up", to: "../..")
        func bind(_ path: String) throws { try SubPath(volume: volume, path: path, target: directory.path + "/target", mounter: mounter).bind() }
        try bind("inside")
        #expect(mounter.isMounted(directory.path + "/target"))
        for path in ["outside/passwd", "up/x", "../x", "/etc"] { #expect(throws: (any Error).self, "\(path)") { try bind(path) } }
        try HostFiles.remove(directory.path + "/target")
        try bind("new/deep")
        #expect(HostFiles.isDirectory(volume + "/new/deep"))
    }

    @Test("a change of a ConfigMap reaches the files of a running pod")
    func liveUpdate() async throws {
        let bench = Bench()
        bench.api.put(.configMap, "c", ["a": "1"])
        let spec: JSON = [
            "containers": [["name": "web", "image": "nginx", "volumeMounts": [["name": "v", "mountPath": "/config"]]]],
            "volumes": [["name": "v", "configMap": ["name": "c"]]],
        ]
        try await bench.run { _ in
            await bench.start(pod(spec)) { $0.isReady }
            let mount = try #require(bench.runtime.running("web")?.configuration.mounts.first { $0.target == "/config" })
            #expect(mount.readOnly)
            #expect(HostFiles.text(mount.source + "/a") == "1")
            bench.api.put(.configMap, "c", ["a": "2"])
            while !Task.isCancelled, HostFiles.text(mount.source + "/a") != "2" { await Task.yield() }
        }
    }
}
