import Cgroups
@testable import Runtime
import Testing

@Suite struct ResolvedContainerTests {
    private static let accounts = AccountFiles(passwd: Array("root:x:0:0::/root:/bin/sh\nnginx:x:101:101::/var/nginx:\n".utf8), group: nil)
    private static let image = ImageDefaults(entrypoint: ["nginx"], environment: ["A=1"], workingDirectory: "/srv", user: "nginx", stopSignal: "SIGQUIT")

    private static func resolve(_ change: (inout ContainerConfiguration) -> Void = { _ in }) throws -> ResolvedContainer {
        var configuration = ContainerConfiguration(name: "web", image: "sha256:1", logPath: "web/0.log")
        change(&configuration)
        return try ResolvedContainer.resolve(
            configuration, image: image, accounts: accounts, pod: PodContext(hostname: "web-0"), host: HostAbilities(capabilities: .all(last: 40), openFiles: 20_000))
    }

    @Test func aPlainContainer() throws {
        let container = try Self.resolve()
        #expect(container.arguments == ["nginx"])
        #expect(container.environment == ["PATH=\(ProcessResolution.defaultPath)", "HOSTNAME=web-0", "A=1", "HOME=/var/nginx"])
        #expect(container.workingDirectory == "/srv")
        #expect(container.identity.uid == 101)
        #expect(container.capabilities == .containerDefault)
        #expect(!container.noNewPrivileges && !container.readOnlyRoot && !container.terminal)
        #expect(container.limits == [ResolvedContainer.Limit(resource: 7, soft: 20_000, hard: 20_000)])
        #expect(container.stopSignal == 3)
        #expect(container.devices == KernelSurface.devices)
        #expect(container.maskedPaths == KernelSurface.maskedPaths)
        #expect(container.resources.devices == DeviceRule.containerDefaults)
    }

    @Test func limitsAndSecurityArrive() throws {
        let container = try Self.resolve {
            $0.resources = ContainerResources(cpuShares: 102, cpuQuota: 5000, cpuPeriod: 100_000, memoryLimit: 64 << 20, pidsLimit: 10, oomScoreAdjustment: 985)
            $0.security.noNewPrivileges = true
            $0.security.readOnlyRootFilesystem = true
            $0.tty = true
        }
        #expect(container.resources.cpuShares == 102 && container.resources.cpuQuota == 5000 && container.resources.cpuPeriod == 100_000)
        #expect(container.resources.memoryLimit == 64 << 20 && container.resources.pidsLimit == 10)
        #expect(container.resources.killsWholeGroupOnOOM == true)
        #expect(container.oomScoreAdjustment == 985)
        #expect(container.noNewPrivileges && container.readOnlyRoot && container.terminal)
    }

    @Test func privilegedSeesTheHost() throws {
        let container = try Self.resolve { $0.security.privileged = true }
        #expect(container.maskedPaths.isEmpty && container.readOnlyPaths.isEmpty)
        #expect(container.resources.devices == DeviceRule.everything)
        #expect(container.capabilities == .all(last: 40))
    }

    @Test func hostDevicesReplaceTheDefaultOnes() throws {
        let container = try Self.resolve { $0.mounts = [Mount(source: "/dev", target: "/dev/")] }
        #expect(container.devices.isEmpty)
        #expect(container.mounts.first { $0.destination == "/dev" }?.kind == .bind)
        #expect(container.mounts.contains { $0.destination == "/dev/pts" })
    }

    @Test(arguments: ["", "/abs", "../x", "a/../b", "a//b", "./a"])
    func logPathsStayInTheirDirectory(path: String) {
        #expect(throws: RuntimeError.self) { try Self.resolve { $0.logPath = path } }
    }

    @Test func refusedLimits() {
        #expect(throws: RuntimeError.self) { try Self.resolve { $0.resources.memoryLimit = 0 } }
        #expect(throws: RuntimeError.self) { try Self.resolve { $0.resources.memoryLimit = -5 } }
    }

    @Test func identifiers() throws {
        let id = Identifiers.container()
        #expect(id.count == 64 && id.allSatisfy { $0.isHexDigit && !$0.isUppercase } && id != Identifiers.container())
        for uid in ["", "../x", "a/b", ".hidden", "-flag", String(repeating: "a", count: 129), "a b"] {
            #expect(throws: RuntimeError.self) {
                try Identifiers.sandbox(SandboxConfiguration(uid: uid, namespace: "n", name: "p", hostname: "h", logDirectory: "/l", cgroupParent: "c"))
            }
        }
    }

    @Test func userNamespaceRangesAreDisjointAndReused() throws {
        let ranges = UserNamespaceRanges(first: 0x7000_0000, count: 3)
        let taken = try [ranges.take(), ranges.take(), ranges.take()]
        #expect(taken == [0x7000_0000, 0x7001_0000, 0x7002_0000])
        #expect(throws: RuntimeError.self) { try ranges.take() }
        ranges.giveBack(0x7001_0000)
        #expect(try ranges.take() == 0x7001_0000)
        let adopted = UserNamespaceRanges(first: 0x7000_0000, count: 3)
        adopted.adopt(0x7000_0000)
        #expect(try adopted.take() == 0x7001_0000)
        let high = UserNamespaceRanges(first: 0xFFFE_0000, count: 5)
        _ = try high.take()
        #expect(throws: RuntimeError.self) { try high.take() }
    }

    @Test func eventsBeforeTheFirstListenerAreKept() async {
        let hub = RuntimeEventHub()
        hub.send(.containerStarted(sandbox: "s", container: "c"))
        let stream = hub.subscribe()
        hub.send(.sandboxFailed(sandbox: "s", reason: "r"))
        let late = hub.subscribe()
        hub.finish()
        var seen: [RuntimeEvent] = []
        for await event in stream { seen.append(event) }
        #expect(seen == [.containerStarted(sandbox: "s", container: "c"), .sandboxFailed(sandbox: "s", reason: "r")])
        var lateEvents = 0
        for await _ in late { lateEvents += 1 }
        #expect(lateEvents == 0)
    }
}
