import JSONTree
import LinuxSystem
@testable import Runtime
import Testing

@Suite struct StateTests {
    private static let sandbox = SandboxRecord(
        id: "uid-1", configuration: SandboxConfiguration(
            uid: "uid", namespace: "default", name: "web", hostname: "web", domainname: "cluster.local", attempt: 1, logDirectory: "/var/log/pods/web",
            cgroupParent: "kubepods/burstable/poduid", resources: ContainerResources(cpuShares: 512, memoryLimit: 1 << 40), sysctls: ["net.core.somaxconn": "1024"],
            hostNetwork: true, hostPID: true, hostIPC: true, shareProcessNamespace: true, hostUsers: false, labels: ["a": "b"], annotations: ["c": "d \"quoted\" \n"]),
        state: .ready, addresses: ["10.0.0.1", "fd00::1"], createdAt: 1_700_000_000_123_456_789, userNamespaceStart: 0x7000_0000, acknowledgedEvent: 77, failure: "")

    private static func container(_ state: ContainerStatus.State) -> ContainerRecord {
        ContainerRecord(
            id: "c1", sandbox: "uid-1", configuration: ContainerConfiguration(
                name: "web", attempt: 3, image: "sha256:1", command: ["/bin/sh"], arguments: [], workingDirectory: "/srv",
                environment: [EnvironmentVariable(name: "A", value: "1"), EnvironmentVariable(name: "A", value: "2")],
                mounts: [Mount(source: "/s", target: "/t", readOnly: true, recursiveReadOnly: true, propagation: .bidirectional)],
                resources: ContainerResources(cpuShares: 2, cpuQuota: -1, cpuPeriod: 100_000, memoryLimit: 64 << 20, pidsLimit: 100, oomScoreAdjustment: -997),
                security: SecurityConfiguration(
                    user: .max - 1, group: 5, supplementalGroups: [1, 4_000_000_000], privileged: true, readOnlyRootFilesystem: true, noNewPrivileges: true,
                    addCapabilities: ["NET_ADMIN"], dropCapabilities: ["ALL"], seccomp: .localhost(path: "profiles/a b.json"), maskPaths: false),
                stdin: true, stdinOnce: true, tty: true, logPath: "web/3.log", labels: ["l": "1"], annotations: ["n": "2"]),
            imageID: "sha256:1", state: state, createdAt: 1, startedAt: 2, stopSignal: 3)
    }

    @Test func sandboxSurvivesTheFile() throws {
        let bytes = Self.sandbox.json.bytes()
        #expect(try SandboxRecord(json: JSON(parsing: bytes)) == Self.sandbox)
        var other = Self.sandbox
        other.configuration = SandboxConfiguration(uid: "u", namespace: "n", name: "p", hostname: "h", logDirectory: "/l", cgroupParent: "c")
        other.userNamespaceStart = nil
        other.state = .notReady
        other.failure = "the shim died"
        other.acknowledgedEvent = .max
        #expect(try SandboxRecord(json: JSON(parsing: other.json.bytes())) == other)
    }

    @Test(arguments: [
        .created, .running(pid: 4711), .exited(ContainerExit(code: 0, reason: "Completed", finishedAt: 5)),
        .exited(ContainerExit(code: 137, signal: 9, reason: "OOMKilled", message: "said at the end", finishedAt: 6)),
    ] as [ContainerStatus.State])
    func containerSurvivesTheFile(state: ContainerStatus.State) throws {
        let record = Self.container(state)
        #expect(try ContainerRecord(json: JSON(parsing: record.json.bytes())) == record)
    }

    @Test func nilAndEmptyCommandsStayApart() throws {
        var record = Self.container(.created)
        record.configuration.command = nil
        record.configuration.arguments = []
        record.configuration.security = SecurityConfiguration()
        #expect(try ContainerRecord(json: JSON(parsing: record.json.bytes())) == record)
    }

    @Test func laterVersionsAreRefusedAndLaterFieldsIgnored() throws {
        var json = Self.sandbox.json
        json["somethingNew"] = ["x": 1]
        #expect(try SandboxRecord(json: json) == Self.sandbox)
        json["version"] = 2
        let error = #expect(throws: RuntimeError.self) { try SandboxRecord(json: json) }
        #expect(error?.code == .unsupported)
        json["version"] = 1
        json["createdAt"] = "yesterday"
        #expect(throws: RuntimeError.self) { try SandboxRecord(json: json) }
    }

    @Test func ledgerRemembersWhatIsOwed() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/ledger"
        var ledger: Ledger? = try Ledger(path: path)
        try ledger?.note(.directory, "/run/pods/a b%\n")
        try ledger?.note(.cgroup, "kubepods/pod1")
        try ledger?.note(.cgroup, "kubepods/pod1/c1", for: .container("c1"))
        try ledger?.note(.directory, "/var/c1", for: .container("c1"))
        try ledger?.note(.directory, "/var/c2", for: .container("c2"))
        ledger = nil
        let again = try Ledger(path: path)
        #expect(again.outstanding.map(\.path) == ["/run/pods/a b%\n", "kubepods/pod1", "kubepods/pod1/c1", "/var/c1", "/var/c2"])
        try again.end(.container("c1"))
        #expect(again.outstanding.map(\.path) == ["/run/pods/a b%\n", "kubepods/pod1", "/var/c2"])
        #expect(try Ledger(path: path).outstanding == again.outstanding)
        try again.remove()
        #expect(!Files.exists(path))
    }

    @Test func ledgerCutOffInTheMiddleOfALine() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/ledger"
        let whole = LedgerCodec.line(noting: LedgerEntry(scope: .sandbox, kind: .mount, path: "/shm"))
        for cut in 0..<whole.utf8.count {
            try Files.write(Array((whole + whole).utf8.prefix(whole.utf8.count + cut)), to: path)
            let ledger = try Ledger(path: path)
            #expect(ledger.outstanding.count == 1)
            try ledger.note(.pin, "/ns/net")
            #expect(try Ledger(path: path).outstanding.map(\.path) == ["/shm", "/ns/net"])
        }
        try Files.write(Array("+ sandbox nonsense /x\n".utf8), to: path)
        #expect(throws: RuntimeError.self) { try Ledger(path: path) }
    }
}

/// A directory that goes away with its owner.
final class TemporaryDirectory: Sendable {
    let path: String
    init() throws {
        path = "/tmp/swiftlet-test-\(UInt64.random(in: 0 ... .max))"
        try Files.makeDirectory(path, mode: 0o700, exclusive: true)
    }
    deinit { try? Files.removeTree(path) } // a leftover in /tmp must not fail a passed test
}
