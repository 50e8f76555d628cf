import Cgroups
import Glibc
import Images
import LinuxSystem
import Logging
import Runtime
import ShimProtocol
import Synchronization
import Testing

/// A node of a test's own: directories in /tmp, a cgroup subtree, a network that only counts. It ends with an audit: what a
/// test leaves behind is a failure of that test.
final class TestNode: Sendable {
    let base: String
    let cgroupRoot: CgroupRoot
    let images: ImageStore
    let network = CountingNetwork()
    let log = LogLines()
    let configuration: RuntimeConfiguration
    private let current = Mutex<NodeRuntime?>(nil)

    static let image = "localhost/runtime-test:latest"

    /// Runs a test on a fresh node, resets the node whatever happens, and audits it.
    static func run(_ body: (TestNode) async throws -> Void) async throws {
        let node = try await TestNode()
        do {
            try await node.start()
            try await body(node)
        } catch {
            Issue.record(error)
        }
        try await node.end()
    }

    private init() async throws {
        let name = "swiftlet-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        base = "/tmp/\(name)"
        for directory in ["", "/data", "/run", "/logs"] { try Files.makeDirectory(base + directory, mode: 0o711, exclusive: true) }
        cgroupRoot = try CgroupRoot(prefix: name)
        images = try ImageStore(dataDirectory: base + "/data")
        _ = try await images.importArchive(path: TestImage.archive.get())
        configuration = RuntimeConfiguration(
            dataDirectory: base + "/data", runDirectory: base + "/run", cgroupRoot: cgroupRoot, shimPath: ShimHarness.program)
    }

    /// A new agent over the same directories.
    @discardableResult
    func start(_ change: (inout RuntimeConfiguration) -> Void = { _ in }) async throws -> NodeRuntime {
        var configuration = configuration
        change(&configuration)
        let log = log
        let runtime = try NodeRuntime(configuration: configuration, images: images, network: network, logger: Logger(label: "test") { LogCollector(log, label: $0) })
        try await runtime.start()
        current.withLock { $0 = runtime }
        return runtime
    }

    /// The running agent.
    var runtime: NodeRuntime {
        get throws { try #require(current.withLock { $0 }) }
    }

    /// The agent ends without telling anybody; what it held is closed.
    func dropAgent() async throws {
        await current.withLock { $0 }?.shutdown()
        current.withLock { $0 = nil }
    }

    private func end() async throws {
        await current.withLock { $0 }?.shutdown()
        try await NodeRuntime.reset(configuration: configuration, network: network, logger: Logger(label: "test"))
        try audit()
        #expect(network.attached.isEmpty, "sandboxes still in the network")
        try Files.removeTree(base)
    }

    /// What is left on the host after everything was removed.
    func audit() throws {
        let mounts = try Files.readString("/proc/self/mountinfo").split(separator: "\n").filter { $0.contains(base + "/") }
        #expect(mounts.isEmpty, "mounts are left: \(mounts)")
        let top = try cgroupRoot.cgroup("")
        let processes = try top.processes()
        #expect(processes.isEmpty, "processes are left: \(processes.map { "\($0) \((try? Files.readString("/proc/\($0)/comm")) ?? "")" })")
        try top.kill()
        try top.remove()
        for directory in ["/run/pods", "/data/containers", "/data/ledger"] where Files.exists(base + directory) {
            let left = try Files.list(base + directory).map(\.name)
            #expect(left.isEmpty, "\(directory) still has \(left)")
        }
    }

    // MARK: Short cuts

    func sandbox(_ name: String = "pod", _ change: (inout SandboxConfiguration) -> Void = { _ in }) -> SandboxConfiguration {
        var configuration = SandboxConfiguration(
            uid: name, namespace: "default", name: name, hostname: "host-\(name)", logDirectory: "\(base)/logs/\(name)",
            cgroupParent: "kubepods/besteffort/pod\(name)")
        change(&configuration)
        return configuration
    }

    func container(_ name: String = "main", _ script: String, _ change: (inout ContainerConfiguration) -> Void = { _ in }) -> ContainerConfiguration {
        var configuration = ContainerConfiguration(name: name, image: Self.image, command: ["sh", "-c", script], logPath: "\(name)/0.log")
        change(&configuration)
        return configuration
    }

    /// Makes a sandbox and runs a script in it.
    func run(
        _ script: String, pod: String = "pod", container: (inout ContainerConfiguration) -> Void = { _ in },
        sandbox: (inout SandboxConfiguration) -> Void = { _ in }
    ) async throws -> (sandbox: String, container: String) {
        let made = try await runtime.runSandbox(self.sandbox(pod, sandbox))
        let id = try await runtime.createContainer(in: made.id, self.container("main", script, container))
        try await runtime.startContainer(id)
        return (made.id, id)
    }

    /// Runs a script to its end.
    /// - Returns: its exit and the lines it wrote.
    func runToEnd(
        _ script: String, pod: String = "pod", container: (inout ContainerConfiguration) -> Void = { _ in },
        sandbox: (inout SandboxConfiguration) -> Void = { _ in }
    ) async throws -> (exit: ContainerExit, output: [String]) {
        let events = try await runtime.events()
        let made = try await run(script, pod: pod, container: container, sandbox: sandbox)
        let exit = try await Self.exit(of: made.container, events)
        let output = try log(pod: pod)
        try await runtime.stopSandbox(made.sandbox)
        try await runtime.removeSandbox(made.sandbox)
        return (exit, output)
    }

    /// Waits for the exit event of a container.
    static func exit(of container: String, _ events: AsyncStream<RuntimeEvent>) async throws -> ContainerExit {
        let exit = try await deadline {
            for await event in events {
                if case .containerExited(_, container, let exit) = event { return exit as ContainerExit? }
            }
            return nil
        }
        return try #require(exit, "the stream of events ended")
    }

    /// Fails a test that hangs, with the place it hangs at.
    static func deadline<R: Sendable>(
        _ seconds: Int = 30, _ body: @escaping @Sendable () async throws -> R, at location: SourceLocation = #_sourceLocation
    ) async throws -> R {
        try await withThrowingTaskGroup(of: R.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(for: .seconds(seconds))
                throw RuntimeError(.timedOut, "nothing happened for \(seconds) seconds at \(location)")
            }
            defer { group.cancelAll() }
            return try #require(try await group.next())
        }
    }

    /// The text of a CRI log: partial lines joined, time and stream dropped.
    func log(pod: String = "pod", container: String = "main") throws -> [String] {
        var lines: [String] = []
        var partial = ""
        for line in try Files.readString("\(base)/logs/\(pod)/\(container)/0.log").split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
            #expect(words.count == 4, "no CRI log line: \(line)")
            partial += words[3]
            if words[2] == "F" {
                lines.append(partial)
                partial = ""
            }
        }
        // A last line without its line feed.
        if !partial.isEmpty { lines.append(partial) }
        return lines
    }

    /// Runs a command in a container and collects its output.
    func exec(_ container: String, _ command: [String], timeout: Duration? = nil) async throws -> (code: Int32, output: String, errors: String) {
        let session = try await runtime.exec(in: container, ExecRequest(command: command, timeout: timeout))
        async let output = Self.readAll(FileDescriptor(owning: session.output))
        async let errors = Self.readAll(FileDescriptor(owning: try #require(session.errorOutput)))
        let result = try await (session.wait(), output, errors)
        return (result.0, result.1, result.2)
    }

    /// Reads to the end on a thread of its own.
    static func readAll(_ file: FileDescriptor) async throws -> String {
        try await withCheckedThrowingContinuation { continuation in
            let thread = Result { try ReadingThread.start(file) { continuation.resume(with: $0) } }
            if case .failure(let error) = thread { continuation.resume(throwing: error) }
        }
    }

    /// Fails unless the process ends within ten seconds; it may still be unreaped.
    static func expectEnd(of pidfd: FileDescriptor, _ comment: Comment, at location: SourceLocation = #_sourceLocation) throws {
        let poller = try Poller()
        try poller.add(pidfd, .readable, token: 1)
        #expect(try !poller.wait(milliseconds: 10_000).isEmpty, comment, sourceLocation: location)
    }

    /// Polls where there is no event to wait for.
    static func eventually(_ what: String, _ condition: () async throws -> Bool) async throws {
        for _ in 0..<500 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw RuntimeError(.timedOut, "10 seconds have passed, but not: \(what)")
    }
}

/// A network that gives every sandbox an address and remembers who has one.
final class CountingNetwork: SandboxNetwork {
    private let state = Mutex<(next: UInt8, attached: [String: String])>((1, [:]))

    var attached: [String: String] { state.withLock { $0.attached } }

    func attach(sandbox: String, namespacePath: String) async throws -> [String] {
        // The namespace has to be there: a pinned file on nsfs.
        _ = try Namespaces.open(namespacePath)
        return state.withLock { state in
            state.next += 1
            state.attached[sandbox] = namespacePath
            return ["10.99.0.\(state.next)"]
        }
    }

    func detach(sandbox: String, namespacePath: String) async throws {
        state.withLock { _ = $0.attached.removeValue(forKey: sandbox) }
    }
}

/// The image of these tests, built once, and the programs of this package.
enum TestImage {
    static let archive: Result<String, any Error> = Result {
        let repository = String(#filePath.dropLast("/Tests/NodeTests/Runtime/TestNode.swift".count))
        // Beside the other images that are built, so that it is kept out of the way and made again in place.
        try Files.makeDirectories(repository + "/.build/images")
        let path = repository + "/.build/images/runtime-test.tar"
        let recipeFile = path + ".toml"
        try Files.write(Array(recipe.utf8), to: recipeFile)
        let null = try openFile("/dev/null", .readWrite)
        let pid = try Processes.spawn(
            "/usr/bin/python3", arguments: ["python3", repository + "/rootfs-tools/mkimage", "build", recipeFile, "-o", path],
            environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"], descriptors: [null.raw, null.raw, 2])
        let exit = try Processes.wait(.pid(pid), blocking: true)
        guard exit?.code == 0 else { throw RuntimeError(.imageNotFound, "mkimage ended with \(exit?.code ?? -1)") }
        return path
    }

    private static let recipe = """
        # A shell, its tools, and a user who is not root: what the runtime's tests need.
        names = ["localhost/runtime-test:latest"]

        [config]
        env = ["PATH=/bin:/usr/bin", "FROM_IMAGE=yes"]
        cmd = ["sh"]
        stop_signal = "SIGTERM"

        [[users]]
        name = "tester"
        uid = 1000
        home = "/home/tester"
        groups = { staff = 50 }

        [[layer]]
        packages = ["busybox-static"]
        select = ["/bin/busybox"]

        [[layer.applets]]
        binary = "/bin/busybox"

        [[layer]]

        [[layer.directory]]
        path = "/tmp"
        mode = "1777"

        [[layer.directory]]
        path = "/home/tester"
        uid = 1000
        gid = 1000

        """

    /// A program beside the tests' own.
    static func product(_ name: String) throws -> String {
        let own = try Files.readLink("/proc/self/exe")
        return String(own[..<(own.lastIndex(of: "/") ?? own.startIndex)]) + "/" + name
    }
}

/// Reads a descriptor to its end.
private final class ReadingThread: Sendable {
    let file: FileDescriptor
    let done: @Sendable (Result<String, any Error>) -> Void

    init(_ file: FileDescriptor, _ done: @escaping @Sendable (Result<String, any Error>) -> Void) {
        self.file = file
        self.done = done
    }

    static func start(_ file: FileDescriptor, _ done: @escaping @Sendable (Result<String, any Error>) -> Void) throws {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(ReadingThread(file, done))
        let code = pthread_create(&thread, nil, { raw in
            guard let raw else { return nil }
            let reading = Unmanaged<ReadingThread>.fromOpaque(raw).takeRetainedValue()
            reading.done(reading.read())
            return nil
        }, context.toOpaque())
        guard code == 0 else {
            context.release()
            throw SystemError(operation: "pthread_create", errno: code)
        }
        pthread_detach(thread)
    }

    private func read() -> Result<String, any Error> {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let result = chunk.withUnsafeMutableBytes { buffer in Result { () throws(SystemError) in try file.read(into: buffer) } }
            switch result {
            case .success(0): return .success(String(decoding: bytes, as: UTF8.self))
            case .success(let count): bytes += chunk[..<count]
            // A terminal whose other side is gone.
            case .failure(let error) where error.errno == EIO: return .success(String(decoding: bytes, as: UTF8.self))
            case .failure(let error): return .failure(error)
            }
        }
    }
}
