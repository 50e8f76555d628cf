@testable import Runtime
import Testing

@Suite struct MountTableTests {
    private static func resolve(_ mounts: [Mount] = [], privileged: Bool = false, pod: PodContext = PodContext()) throws -> [ResolvedMount] {
        let configuration = ContainerConfiguration(
            name: "web", image: "i", mounts: mounts, security: SecurityConfiguration(privileged: privileged), logPath: "web/0.log")
        return try MountTable.resolve(configuration, pod: pod)
    }

    @Test func defaultsAreThoseOfTheSpecification() throws {
        let mounts = try Self.resolve()
        #expect(mounts.map(\.destination) == ["/proc", "/dev", "/sys", "/dev/pts", "/dev/mqueue", "/dev/shm", "/sys/fs/cgroup"])
        let quiet: ResolvedMount.Options = [.noSetuid, .noExecution, .noDevices]
        #expect(mounts[0] == ResolvedMount(destination: "/proc", kind: .proc, options: quiet))
        #expect(mounts[2] == ResolvedMount(destination: "/sys", kind: .sysfs, options: quiet.union(.readOnly)))
        #expect(mounts[3].data == "newinstance,ptmxmode=0666,mode=0620,gid=5")
        #expect(mounts[5] == ResolvedMount(destination: "/dev/shm", kind: .sharedMemory, options: quiet))
        #expect(mounts[6].options.contains([.readOnly, .noSetuid, .noExecution, .noDevices]))
    }

    @Test func privilegedMayWriteKernelFiles() throws {
        let mounts = try Self.resolve(privileged: true)
        #expect(!mounts.contains { $0.options.contains(.readOnly) })
    }

    @Test func givenMountsReplaceDefaultsAndComeAfterTheirParents() throws {
        let mounts = try Self.resolve([
            Mount(source: "/v/deep", target: "/a/b/c"), Mount(source: "/v/a", target: "/a/"), Mount(source: "/v/shm", target: "/dev/./shm"),
            Mount(source: "/v/hosts", target: "/etc/hosts", readOnly: true), Mount(source: "/v/rro", target: "/rro", recursiveReadOnly: true, propagation: .hostToContainer),
        ])
        #expect(mounts.map(\.destination) == ["/proc", "/dev", "/sys", "/a", "/rro", "/dev/pts", "/dev/mqueue", "/dev/shm", "/etc/hosts", "/sys/fs/cgroup", "/a/b/c"])
        #expect(mounts.first { $0.destination == "/dev/shm" }?.source == "/v/shm")
        #expect(mounts.first { $0.destination == "/etc/hosts" }?.options == [.recursive, .readOnly])
        #expect(mounts.first { $0.destination == "/rro" }?.options == [.recursive, .readOnly, .recursiveReadOnly])
        #expect(mounts.first { $0.destination == "/rro" }?.propagation == .hostToContainer)
    }

    @Test func hostNamespaces() throws {
        let ipc = try Self.resolve(pod: PodContext(hostIPC: true))
        #expect(ipc.first { $0.destination == "/dev/shm" }?.source == "/dev/shm")
        #expect(ipc.first { $0.destination == "/dev/mqueue" }?.kind == .mqueue)
        let network = try Self.resolve(pod: PodContext(hostNetwork: true, userNamespace: true))
        #expect(network.first { $0.destination == "/sys" }?.kind == .bind)
        #expect(try Self.resolve(pod: PodContext(hostNetwork: true)).first { $0.destination == "/sys" }?.kind == .sysfs)
    }

    @Test(arguments: [("/", "/v"), ("relative", "/v"), ("/..", "/v"), ("/ok", "relative"), ("", "/v"), ("/ok", "")])
    func unusableMountsAreRefused(target: String, source: String) {
        let error = #expect(throws: RuntimeError.self) { try Self.resolve([Mount(source: source, target: target)]) }
        #expect(error?.code == .invalidConfiguration)
    }

    @Test(arguments: [("/a//b/", "/a/b"), ("/a/../b", "/b"), ("/../../etc", "/etc"), ("/./a/.", "/a"), ("/", "/")])
    func normalized(path: String, expected: String) { #expect(MountTable.normalized(path) == expected) }
}
