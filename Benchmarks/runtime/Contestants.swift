import Cgroups
import Images
import JSONTree
import LinuxSystem
import Logging
import Runtime
import Seccomp

/// Something that can run `/bin/true` in a container of its own, from nothing to nothing.
protocol Contestant {
    var name: String { get }
    mutating func run() async throws
    mutating func end() async throws
}

struct BenchmarkError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// The limits everybody gets.
enum Limits {
    static let memory: Int64 = 64 << 20
    static let cpuShares: UInt64 = 512
    static let cpuQuota: Int64 = 50_000
    static let cpuPeriod: UInt64 = 100_000
    static let pids: Int64 = 100
}

/// A pod with one container through the whole runtime: directories, ledger, cgroups, shim, namespaces, overlay, exit, removal.
struct SwiftletPod: Contestant {
    let name = "swiftlet: a pod with one container"
    let node: BenchmarkNode
    private var count = 0

    init(node: BenchmarkNode) { self.node = node }

    mutating func run() async throws {
        count += 1
        let sandbox = try await node.runtime.runSandbox(node.sandbox("pod\(count)"))
        try await node.runToEnd(in: sandbox.id)
        try await node.runtime.stopSandbox(sandbox.id)
        try await node.runtime.removeSandbox(sandbox.id)
    }

    mutating func end() async throws {}
}

/// One more container in a pod that is there already: what a restart costs.
struct SwiftletContainer: Contestant {
    let name = "swiftlet: a container in a pod that is there"
    let node: BenchmarkNode
    private var sandbox: String?

    init(node: BenchmarkNode) { self.node = node }

    mutating func run() async throws {
        if sandbox == nil { sandbox = try await node.runtime.runSandbox(node.sandbox("kept")).id }
        guard let sandbox else { return }
        try await node.runToEnd(in: sandbox)
    }

    mutating func end() async throws {
        if let sandbox { try await node.runtime.removeSandbox(sandbox) }
    }
}

/// crun or runc: `run` with a bundle of the same image, the same namespaces, limits and filter.
struct CommandLineRuntime: Contestant {
    let name: String
    let program: String
    let bundle: String
    let cgroupParent: String
    private var count = 0

    init(name: String, program: String, bundle: String, cgroupParent: String) {
        self.name = name
        self.program = program
        self.bundle = bundle
        self.cgroupParent = cgroupParent
    }

    mutating func run() async throws {
        count += 1
        let null = try openFile("/dev/null", .readWrite)
        let pid = try Processes.spawn(
            program, arguments: [name, "run", "--bundle", bundle, "swiftlet-bench-\(name)-\(count)"],
            environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], descriptors: [null.raw, null.raw, 2])
        let exit = try Processes.wait(.pid(pid), blocking: true)
        guard exit?.code == 0 else { throw BenchmarkError("\(name) ended with \(exit?.code ?? -1)") }
    }

    /// They leave the parent of their cgroup, in every hierarchy there is.
    mutating func end() async throws {
        for hierarchy in try Files.list("/sys/fs/cgroup") where hierarchy.kind == .directory {
            let directory = "/sys/fs/cgroup/\(hierarchy.name)/\(cgroupParent)"
            if Files.exists(directory) { try Files.remove(directory, folder: true) }
        }
    }
}

/// A node of the benchmark's own.
final class BenchmarkNode {
    let base: String
    let cgroupRoot: CgroupRoot
    let images: ImageStore
    let image: StoredImage
    let configuration: RuntimeConfiguration
    let runtime: NodeRuntime

    init(base: String, image archive: String, shim: String) async throws {
        self.base = base
        for directory in ["", "/data", "/run", "/logs"] { try Files.makeDirectory(base + directory, mode: 0o711) }
        // As /run is, where crun and runc keep their state, too.
        try Mounts.mount("tmpfs", at: base + "/run", type: "tmpfs", flags: [.noSetUID, .noDevices])
        cgroupRoot = try CgroupRoot(prefix: String(base.split(separator: "/").last ?? "bench"))
        images = try ImageStore(dataDirectory: base + "/data")
        guard let imported = try await images.importArchive(path: archive).first else { throw BenchmarkError("\(archive) holds no image") }
        image = imported.image
        configuration = RuntimeConfiguration(dataDirectory: base + "/data", runDirectory: base + "/run", cgroupRoot: cgroupRoot, shimPath: shim)
        var logger = Logger(label: "bench")
        logger.logLevel = .warning
        runtime = try NodeRuntime(configuration: configuration, images: images, network: NoNetwork(), logger: logger)
        try await runtime.start()
    }

    func sandbox(_ name: String) -> SandboxConfiguration {
        SandboxConfiguration(uid: name, namespace: "bench", name: name, hostname: name, logDirectory: "\(base)/logs/\(name)", cgroupParent: "kubepods/pod\(name)")
    }

    /// Makes, starts, waits for and removes a container.
    func runToEnd(in sandbox: String) async throws {
        let events = await runtime.events()
        let container = try await runtime.createContainer(in: sandbox, ContainerConfiguration(
            name: "true", image: image.id, command: ["/bin/true"],
            resources: ContainerResources(
                cpuShares: Limits.cpuShares, cpuQuota: Limits.cpuQuota, cpuPeriod: Limits.cpuPeriod, memoryLimit: Limits.memory, pidsLimit: Limits.pids),
            security: SecurityConfiguration(noNewPrivileges: true), logPath: "true/0.log"))
        try await runtime.startContainer(container)
        for await case .containerExited(sandbox, container, let exit) in events {
            guard exit.code == 0 else { throw BenchmarkError("/bin/true ended with \(exit)") }
            break
        }
        try await runtime.removeContainer(container)
    }

    func end() async throws {
        await runtime.shutdown()
        try await NodeRuntime.reset(configuration: configuration, network: NoNetwork(), logger: Logger(label: "bench"))
        let top = try cgroupRoot.cgroup("")
        try top.remove()
        try Mounts.unmount(base + "/run", detach: true)
        try Files.removeTree(base)
    }
}

/// crun and runc connect nobody either.
struct NoNetwork: SandboxNetwork {
    func attach(sandbox: String, namespacePath: String) async throws -> [String] { [] }
    func detach(sandbox: String, namespacePath: String) async throws {}
}
