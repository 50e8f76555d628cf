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
    /// - Returns: nanoseconds by the clock.
    mutating func run() async throws -> Int64
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

    mutating func run() async throws -> Int64 {
        count += 1
        let start = Clocks.monotonic()
        let sandbox = try await node.runtime.runSandbox(node.sandbox("pod\(count)"))
        try await node.runToEnd(in: sandbox.id)
        try await node.runtime.stopSandbox(sandbox.id)
        try await node.runtime.removeSandbox(sandbox.id)
        return Clocks.monotonic() - start
    }

    mutating func end() async throws {}
}

/// One more container in a pod that is there already: what a restart costs.
struct SwiftletContainer: Contestant {
    let name = "swiftlet: a container in a pod that is there"
    let node: BenchmarkNode
    private var sandbox: String?

    init(node: BenchmarkNode) { self.node = node }

    mutating func run() async throws -> Int64 {
        if sandbox == nil { sandbox = try await node.runtime.runSandbox(node.sandbox("kept")).id }
        guard let sandbox else { return 0 }
        let start = Clocks.monotonic()
        try await node.runToEnd(in: sandbox)
        return Clocks.monotonic() - start
    }

    mutating func end() async throws {
        if let sandbox { try await node.runtime.removeSandbox(sandbox) }
    }
}

/// crun or runc: `run` with a bundle of the same root file system, the same namespaces, limits, capabilities and filter.
struct CommandLineRuntime: Contestant {
    let name: String
    private let program: String
    private let bundle: String
    private let namespace: PeerNamespace
    private var count = 0

    init(name: String, program: String, node: BenchmarkNode, namespace: PeerNamespace) throws {
        (self.name, self.program, self.namespace) = (name, program, namespace)
        bundle = "\(node.base)/bundle-\(name)"
        // Their overlay would be made by whoever calls them: the unpacked layer itself is in their favour.
        guard node.image.layerDirectories.count == 1, let layer = node.image.layerDirectories.first else {
            throw BenchmarkError("expected an image of one layer, so that all have the same root file system, found \(node.image.layerDirectories.count)")
        }
        try Bundle.write(to: bundle, rootFilesystem: "\(node.images.layersDirectory)/\(layer)", cgroup: "/\(node.cgroupRoot.prefix)/\(name)/container")
    }

    mutating func run() async throws -> Int64 {
        count += 1
        let (name, program) = (name, program)
        let arguments = [name, "run", "--bundle", bundle, "swiftlet-bench-\(name)-\(count)"]
        return try namespace.inside {
            let null = try openFile("/dev/null", .readWrite)
            let start = Clocks.monotonic()
            let pid = try Processes.spawn(program, arguments: arguments, environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], descriptors: [null.raw, null.raw, 2])
            let exit = try Processes.wait(.pid(pid), blocking: true)
            let elapsed = Clocks.monotonic() - start
            guard exit?.code == 0 else { throw BenchmarkError("\(name) ended with \(exit?.code ?? -1)") }
            return elapsed
        }
    }

    /// What it leaves, the supervisor takes away.
    mutating func end() async throws {}
}

/// A node of the benchmark's own.
final class BenchmarkNode {
    let base: String
    let cgroupRoot: CgroupRoot
    let images: ImageStore
    let image: StoredImage
    let configuration: RuntimeConfiguration
    let runtime: NodeRuntime

    init(base: String, prefix: String, image archive: String, shim: String) async throws {
        self.base = base
        for directory in ["/data", "/run", "/logs"] { try Files.makeDirectory(base + directory, mode: 0o711) }
        // As /run is, where crun and runc keep their state, too.
        try Mounts.mount("tmpfs", at: base + "/run", type: "tmpfs", flags: [.noSetUID, .noDevices])
        cgroupRoot = try CgroupRoot(prefix: prefix)
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
        for sandbox in await runtime.sandboxes() { throw BenchmarkError("sandbox \(sandbox.id) is left") }
    }
}

/// crun and runc connect nobody either.
struct NoNetwork: SandboxNetwork {
    func attach(sandbox: String, namespacePath: String) async throws -> [String] { [] }
    func detach(sandbox: String, namespacePath: String) async throws {}
}
