import JSONTree
import KubeAPI
import KubeTypes
import Runtime
import Testing
@testable import Kubelet

private let node = NodeFacts(name: "n1", addresses: ["192.0.2.1"], allocatable: ContainerDemand(cpuLimit: 4000, memoryLimit: 1 << 30), memory: 1 << 30, storage: 1 << 40)

@Suite("Environment", .timeLimit(.minutes(1)))
struct EnvironmentTests {
    private let api = FakeAPI()

    private func build(_ container: JSON, labels: JSON = [:]) async throws -> [String: String] {
        var container = container
        container["name"] = "web"
        let manifest = PodManifest(pod(["containers": [container], "serviceAccountName": "sa"], labels: labels))
        let fields = PodFields(manifest: manifest, addresses: ["10.0.0.7", "fd00::7"], node: node)
        let built = try await EnvironmentBuilder(
            manifest: manifest, container: #require(manifest.container("web")), fields: fields, objects: ConfigObjects(client: api)).build()
        #expect(Set(built.map(\.name)).count == built.count)
        return Dictionary(uniqueKeysWithValues: built.map { ($0.name, $0.value) })
    }

    private func message(_ container: JSON) async -> String? {
        do { _ = try await build(container) } catch { return (error as? KubeletError)?.message }
        return nil
    }

    @Test func literalsAndReferences() async throws {
        let env: JSON = [
            ["name": "A", "value": "1"], ["name": "B", "value": "$(A)-$(MISSING)-$$(A)-$x"], ["name": "A", "value": "2"], ["name": "C", "value": "$(A)"],
        ]
        #expect(try await build(["env": env]) == ["A": "2", "B": "1-$(MISSING)-$(A)-$x", "C": "2"])
    }

    @Test(arguments: [
        ("metadata.name", "web"), ("metadata.namespace", "default"), ("metadata.uid", "uid-1"), ("metadata.labels['app']", "shop"), ("spec.nodeName", "n1"),
        ("spec.serviceAccountName", "sa"), ("status.hostIP", "192.0.2.1"), ("status.podIP", "10.0.0.7"), ("status.podIPs", "10.0.0.7,fd00::7"),
    ])
    func fields(path: String, value: String) async throws {
        let env: JSON = [["name": "X", "valueFrom": ["fieldRef": ["fieldPath": JSON(path)]]]]
        #expect(try await build(["env": env], labels: ["app": "shop"])["X"] == value)
    }

    @Test(arguments: [
        ("limits.cpu", "1", "1"), ("limits.cpu", "1m", "250"), ("requests.memory", "1Mi", "33"), ("requests.cpu", "1", "1"), ("limits.memory", "1", "1073741824"),
    ])
    func resources(resource: String, divisor: String, value: String) async throws {
        let env: JSON = [["name": "X", "valueFrom": ["resourceFieldRef": ["resource": JSON(resource), "divisor": JSON(divisor)]]]]
        // The memory limit is not set: the node's is shown.
        let resources: JSON = ["limits": ["cpu": "250m"], "requests": ["cpu": "100m", "memory": "33554433"]]
        #expect(try await build(["env": env, "resources": resources])["X"] == value)
    }

    @Test func configMapsAndSecrets() async throws {
        api.put(.configMap, "c", ["one": "1", "two": "2"])
        api.put(.secret, "s", ["two": "dHdv"])
        let container: JSON = [
            "envFrom": [["configMapRef": ["name": "c"]], ["prefix": "P_", "secretRef": ["name": "s"]], ["configMapRef": ["name": "none", "optional": true]]],
            "env": [
                ["name": "two", "valueFrom": ["secretKeyRef": ["name": "s", "key": "two"]]], ["name": "all", "value": "$(one)$(two)"],
                ["name": "no", "valueFrom": ["configMapKeyRef": ["name": "c", "key": "nope", "optional": true]]],
            ],
        ]
        #expect(try await build(container) == ["one": "1", "two": "two", "P_two": "two", "all": "1two"])
    }

    @Test func whatIsMissingIsNamed() async throws {
        api.put(.configMap, "c", ["a": "1"])
        api.put(.secret, "s", ["a": "MQ=="])
        #expect(await message(["env": [["name": "X", "valueFrom": ["configMapKeyRef": ["name": "c", "key": "z"]]]]]) == "couldn't find key z in ConfigMap default/c")
        #expect(await message(["env": [["name": "X", "valueFrom": ["secretKeyRef": ["name": "s", "key": "z"]]]]]) == "couldn't find key z in Secret default/s")
        #expect(await message(["envFrom": [["secretRef": ["name": "nope"]]]]) == "secret \"nope\" not found")
    }
}

@Suite("Resources")
struct ResourceTests {
    private func demand(_ cpuRequest: Int64?, _ cpuLimit: Int64?, _ memoryRequest: Int64?, _ memoryLimit: Int64?) -> ContainerDemand {
        ContainerDemand(cpuRequest: cpuRequest, cpuLimit: cpuLimit, memoryRequest: memoryRequest, memoryLimit: memoryLimit)
    }

    @Test func classesOfService() {
        #expect(PodQoSClass([demand(nil, nil, nil, nil), demand(0, nil, nil, 0)]) == .bestEffort)
        #expect(PodQoSClass([demand(100, 100, 64, 64), demand(nil, 100, nil, 64)]) == .guaranteed)
        #expect(PodQoSClass([demand(100, 100, 64, 64), demand(nil, nil, nil, nil)]) == .burstable)
        #expect(PodQoSClass([demand(50, 100, 64, 64)]) == .burstable)
        #expect(PodQoSClass([demand(nil, 100, nil, nil)]) == .burstable)
    }

    @Test(arguments: [(0, 2), (1, 2), (10, 10), (100, 102), (1000, 1024), (4_000_000, 262_144)])
    func shares(milliCPU: Int64, shares: UInt64) { #expect(ResourceArithmetic.shares(milliCPU: milliCPU) == shares) }

    @Test func quota() {
        #expect(ResourceArithmetic.quota(milliCPU: nil) == nil)
        #expect(ResourceArithmetic.quota(milliCPU: 500) == 50_000)
        #expect(ResourceArithmetic.quota(milliCPU: 1) == 1000)
    }

    @Test func oomScore() {
        func score(_ qos: PodQoSClass, _ request: Int64) -> Int { ResourceArithmetic.oomScoreAdjustment(qos, memoryRequest: request, nodeMemory: 1000, isNodeCritical: false) }
        #expect((score(.guaranteed, 0), score(.bestEffort, 0), score(.burstable, 0), score(.burstable, 250), score(.burstable, 1000)) == (-997, 1000, 999, 750, 3))
    }

    @Test func thePodsOwnLimits() {
        let sum = ResourceArithmetic.podResources(containers: [demand(100, 200, 1, 64), demand(100, 300, 1, 64)], initContainers: [])
        #expect((sum.cpuShares, sum.cpuQuota, sum.memoryLimit) == (204, 50_000, 128))
        let peak = ResourceArithmetic.podResources(
            containers: [demand(100, 200, 1, 64)], initContainers: [(demand(50, 100, 1, 10), true), (demand(1000, 1000, 1, 500), false)])
        #expect((peak.cpuShares, peak.cpuQuota, peak.memoryLimit) == (1075, 110_000, 510))
        let open = ResourceArithmetic.podResources(containers: [demand(nil, 200, nil, 64), demand(nil, nil, nil, nil)], initContainers: [])
        #expect((open.cpuQuota, open.memoryLimit) == (nil, nil))
    }
}

@Suite("Security contexts")
struct SecurityTests {
    private func build(_ container: JSON, pod podContext: JSON = [:], imageUser: String = "") throws -> SecurityConfiguration {
        let spec: JSON = ["containers": [["name": "web", "securityContext": container]], "securityContext": podContext]
        let manifest = PodManifest(pod(spec))
        return try SecurityBuilder(manifest: manifest, container: #require(manifest.container("web")), imageUser: imageUser).build()
    }

    @Test func theContainersWordCounts() throws {
        let security = try build(
            ["runAsUser": 2000, "capabilities": ["add": ["CAP_NET_ADMIN"], "drop": ["all"]], "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true],
            pod: ["runAsUser": 1000, "runAsGroup": 3000, "supplementalGroups": [5, 6], "fsGroup": 7])
        #expect((security.user, security.group, security.supplementalGroups) == (2000, 3000, [5, 6, 7]))
        #expect((security.addCapabilities, security.dropCapabilities) == (["NET_ADMIN"], ["ALL"]))
        #expect(security.noNewPrivileges && security.readOnlyRootFilesystem && security.maskPaths && !security.privileged)
        #expect(security.seccomp == .runtimeDefault)
    }

    @Test func privilegedAndProfiles() throws {
        let privileged = try build(["privileged": true])
        #expect(privileged.privileged && !privileged.maskPaths && privileged.seccomp == .unconfined)
        #expect(try build(["seccompProfile": ["type": "Unconfined"]]).seccomp == .unconfined)
        #expect(try build(["seccompProfile": ["type": "Localhost", "localhostProfile": "a/b.json"]]).seccomp == .localhost(path: "a/b.json"))
        #expect(throws: KubeletError.self) { try build(["seccompProfile": ["type": "Localhost", "localhostProfile": "../x"]]) }
    }

    @Test(arguments: [("", true), ("0", true), ("0:5", true), ("nginx", true), ("1000", false), ("1000:1000", false)])
    func nonRoot(imageUser: String, refused: Bool) {
        if refused {
            #expect(throws: KubeletError.self) { try build(["runAsNonRoot": true], imageUser: imageUser) }
        } else {
            #expect(throws: Never.self) { try build(["runAsNonRoot": true], imageUser: imageUser) }
        }
    }

    @Test func idsDoNotWrapAround() {
        #expect(throws: KubeletError.self) { try build(["runAsUser": 4_294_967_296]) }
        #expect(throws: KubeletError.self) { try build(["runAsUser": 0, "runAsNonRoot": true]) }
    }
}

@Suite("Managed files")
struct ManagedFilesTests {
    private func files(_ spec: JSON, dns: [String] = []) -> ManagedFiles {
        var spec = spec
        spec["containers"] = []
        return ManagedFiles(
            manifest: PodManifest(pod(spec)), addresses: ["10.0.0.7"], configuration: KubeletConfiguration(nodeName: "n", nodeAddresses: [], clusterDNS: dns))
    }

    @Test func hosts() {
        let text = files(["hostname": "h", "subdomain": "sub", "hostAliases": [["ip": "1.2.3.4", "hostnames": ["foo", "bar"]]]]).hosts(nodeHosts: "")
        #expect(text.contains("127.0.0.1\tlocalhost\n"))
        #expect(text.contains("10.0.0.7\th.sub.default.svc.cluster.local\th\n"))
        #expect(text.hasSuffix("\n# Entries added by HostAliases.\n1.2.3.4\tfoo\tbar\n"))
        #expect(files(["hostNetwork": true]).hosts(nodeHosts: "127.0.0.1 node") == "# Kubernetes-managed hosts file (host network).\n127.0.0.1 node\n")
    }

    @Test func resolvers() {
        let node = "# comment\nnameserver 9.9.9.9\nsearch example.org\noptions timeout:1\n"
        #expect(files([:]).resolvConf(nodeResolvers: node) == "search example.org\nnameserver 9.9.9.9\noptions timeout:1\n")
        #expect(files([:], dns: ["10.96.0.10"]).resolvConf(nodeResolvers: node)
            == "search default.svc.cluster.local svc.cluster.local cluster.local example.org\nnameserver 10.96.0.10\noptions ndots:5\n")
        #expect(files(["dnsPolicy": "Default"], dns: ["10.96.0.10"]).resolvConf(nodeResolvers: node).contains("9.9.9.9"))
        let wishes: JSON = ["nameservers": ["1.1.1.1"], "searches": ["a.b"], "options": [["name": "ndots", "value": "2"], ["name": "edns0"]]]
        #expect(files(["dnsPolicy": "None", "dnsConfig": wishes]).resolvConf(nodeResolvers: node) == "search a.b\nnameserver 1.1.1.1\noptions ndots:2 edns0\n")
    }

    @Test func longNamesAreCut() {
        let files = files(["hostname": JSON(String(repeating: "a", count: 62) + "-b")])
        #expect(files.hostname == String(repeating: "a", count: 62))
    }
}

@Suite("What this node cannot do")
struct UnsupportedFieldsTests {
    @Test(arguments: [
        (["containers": [["name": "a", "ports": [["hostPort": 80]]]]], ["spec.containers[0].ports[0].hostPort"]),
        (["volumes": [["name": "v", "nfs": ["server": "x"]]]], ["spec.volumes[0].nfs"]),
        (["volumes": [["name": "v", "emptyDir": ["sizeLimit": "1Gi"]]]], ["spec.volumes[0].emptyDir.sizeLimit"]),
        (["volumes": [["name": "v", "emptyDir": ["sizeLimit": "1Gi", "medium": "Memory"]]]], []),
        (["volumes": [["name": "v", "projected": ["sources": [["clusterTrustBundle": ["path": "t"]]]]]]], ["spec.volumes[0].projected.sources[0].clusterTrustBundle"]),
        (["containers": [["name": "a", "livenessProbe": ["grpc": ["port": 1]]]]], ["spec.containers[0].livenessProbe.grpc"]),
        (["containers": [["name": "a", "resources": ["limits": ["nvidia.com/gpu": "1", "cpu": "1"]]]]], ["spec.containers[0].resources.limits.nvidia.com/gpu"]),
        (["initContainers": [["name": "a", "restartPolicy": "Always"]]], []),
        (["containers": [["name": "a", "restartPolicy": "Never"]]], ["spec.containers[0].restartPolicy"]),
        (["securityContext": ["sysctls": [["name": "kernel.msgmax", "value": "1"]]]], ["spec.securityContext.sysctls[0].name=kernel.msgmax"]),
        (["os": ["name": "windows"], "runtimeClassName": "gvisor"], ["spec.os.name", "spec.runtimeClassName"]),
    ] as [(JSON, [String])])
    func found(spec: JSON, fields: [String]) { #expect(UnsupportedFields.find(in: ["spec": spec]) == fields) }

    @Test("an ordinary pod with every default filled in is not refused")
    func ordinary() {
        let container: JSON = [
            "name": "a", "image": "nginx", "imagePullPolicy": "Always", "resources": [:], "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File", "ports": [["containerPort": 80, "protocol": "TCP"]],
            "securityContext": ["procMount": "Default"], "volumeMounts": [["name": "v", "mountPath": "/v"]],
        ]
        let spec: JSON = [
            "containers": [container], "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst", "securityContext": [:],
            "schedulerName": "default-scheduler", "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority", "priority": 0,
            "serviceAccountName": "default", "volumes": [["name": "v", "emptyDir": [:]]], "nodeName": "n",
        ]
        #expect(UnsupportedFields.find(in: ["spec": spec]).isEmpty)
    }
}
