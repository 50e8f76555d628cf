import Glibc
import LinuxSystem
import ShimProtocol
import Synchronization
import Testing
@testable import Runtime

/// A shim of its own in a mount namespace of its own, with a busybox root file system, and everything removed afterwards.
final class ShimHarness {
    let path: String
    let lower: String
    var pod: String { "\(path)/pod" }
    let inbox = EventInbox()
    private(set) var connection: ShimConnection
    let shimPID: Int32
    /// The shim's mount namespace, to look at after its end.
    let mountNamespace: FileDescriptor

    static var program: String {
        if let path = getenv("SWIFTLET_SHIM") { return String(cString: path) }
        let own = (try? Files.readLink("/proc/self/exe")) ?? ""
        let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? own
        return bundle[..<(bundle.lastIndex(of: "/") ?? bundle.startIndex)] + "/swiftlet-shim"
    }

    /// Writes the plan and starts the shim, returning when it listens.
    typealias Launch = @Sendable (_ directory: String, _ plan: SandboxPlan) throws -> Void

    init(
        _ configure: (inout SandboxPlan) -> Void = { _ in }, prepare: @escaping @Sendable (_ path: String) throws -> Void = { _ in },
        start: @escaping Launch = { try ShimLauncher.launch(program: ShimProgram(ShimHarness.program), directory: $0, plan: $1) }
    ) throws {
        let path = "/tmp/shim-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        self.path = path
        lower = "\(path)/lower"
        do {
            try ShimHarness.launch(path, lower, configure, prepare, start)
            connection = try ShimHarness.connect("\(path)/pod", inbox)
            shimPID = connection.hello.pid
            mountNamespace = try Namespaces.open("/proc/\(shimPID)/ns/mnt")
            _ = try connection.call(.subscribe(after: 0))
        } catch {
            // An initializer that throws has no deinit: what is there so far goes here.
            try? ShimHarness.remove(path)
            throw error
        }
    }

    private static func launch(
        _ path: String, _ lower: String, _ configure: (inout SandboxPlan) -> Void, _ prepare: @escaping @Sendable (_ path: String) throws -> Void,
        _ start: @escaping Launch
    ) throws {
        try Files.makeDirectories("\(path)/pod", mode: 0o700)
        try Files.setMode(0o700, of: path)
        try Files.makeDirectories("\(path)/logs")
        try makeRoot(lower)
        var plan = SandboxPlan()
        plan.id = "test-pod"
        (plan.newNetwork, plan.newIPC, plan.newUTS) = (true, true, true)
        plan.hostname = "podhost"
        plan.sharedMemorySize = 1 << 20
        configure(&plan)
        let sandbox = plan
        let result = try Namespaces.onOwnThread { () -> Result<Void, any Error> in
            Result {
                try Namespaces.unshare(.mount)
                try Mounts.mount(nil, at: "/", flags: [.slave, .recursive])
                try prepare(path)
                try start("\(path)/pod", sandbox)
            }
        }
        try result.get()
    }

    deinit {
        _ = try? connection.call(.shutdown) // it may have been shut down or killed by the test; `remove` makes sure
        connection.close()
        do { try ShimHarness.remove(path) } catch { Issue.record("\(path) was not removed: \(error)") }
    }

    /// Ends a shim that is still there, and removes everything.
    private static func remove(_ path: String) throws {
        try ShimLock.kill(podDirectory: "\(path)/pod")
        try Files.removeTree(path)
    }

    private static func connect(_ pod: String, _ inbox: EventInbox) throws -> ShimConnection {
        try ShimConnection.connect(directory: pod, onEvent: { inbox.add($0) }, onClose: { _ in inbox.close() })
    }

    /// As an agent that was killed and starts again.
    func reconnect(after sequence: UInt64) throws {
        connection = try ShimHarness.connect(pod, inbox)
        _ = try connection.call(.subscribe(after: sequence))
    }

    /// Busybox and its applets, and files that tests look at.
    static func makeRoot(_ path: String) throws {
        for folder in ["bin", "etc", "tmp", "proc", "sys", "dev", "root"] { try Files.makeDirectories("\(path)/\(folder)") }
        try Files.setMode(0o1777, of: "\(path)/tmp")
        try Files.write(Files.read("/bin/busybox"), to: "\(path)/bin/busybox", mode: 0o755)
        for applet in ["sh", "true", "false", "cat", "ls", "echo", "sleep", "id", "hostname", "readlink", "mkdir", "touch", "tty", "stty", "seq",
                       "head", "tr", "dd", "grep", "wc", "pwd", "printf", "kill", "env", "stat", "tail", "test", "ps", "mount", "chmod", "rm", "sed", "usleep"] {
            try Files.symlink("busybox", at: "\(path)/bin/\(applet)")
        }
        try Files.write(Array("root:x:0:0::/root:/bin/sh\n".utf8), to: "\(path)/etc/passwd", mode: 0o644)
    }

    /// The plan that the tests vary: what a default pod gets, but for seccomp and cgroups.
    func plan(_ id: String, _ arguments: [String]) -> ContainerPlan {
        var plan = ContainerPlan()
        plan.id = id
        plan.root = RootPlan(layersDirectory: path, lower: ["lower"], writable: "\(path)/\(id)")
        try? Files.makeDirectory("\(path)/\(id)") // it may be there; creating the container tells
        plan.mounts = [
            MountPlan(.proc, target: "/proc"),
            MountPlan(.tmpfs, target: "/dev", options: [KeyValue("mode", "755"), KeyValue("size", "64k")]),
            MountPlan(.devpts, target: "/dev/pts"),
            MountPlan(.mqueue, target: "/dev/mqueue"),
            MountPlan(.sharedMemory, target: "/dev/shm"),
            MountPlan(.sysfs, target: "/sys", readOnly: true),
        ]
        plan.devices = DevicePlan.standard
        plan.maskedPaths = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/proc/scsi", "/sys/firmware"]
        plan.readOnlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
        plan.process.arguments = arguments
        plan.process.environment = ["PATH=/bin", "HOME=/root"]
        // Docker's default capabilities.
        let standard: UInt64 = 0xa804_25fb
        plan.process.capabilities = CapabilitySets(bounding: standard, effective: standard, permitted: standard)
        plan.log = LogPlan(path: "\(path)/logs/\(id).log")
        return plan
    }

    @discardableResult
    func start(_ plan: ContainerPlan, descriptors: [FileDescriptor] = []) throws -> Int32 {
        let created = try connection.call(.create(plan), descriptors: descriptors)
        _ = try connection.call(.start(container: plan.id))
        return created.reply.pid
    }

    /// Runs to the end.
    func run(_ plan: ContainerPlan, descriptors: [FileDescriptor] = []) throws -> ExitRecord {
        let before = inbox.all.map(\.sequence).max() ?? 0
        try start(plan, descriptors: descriptors)
        let event = try inbox.wait("exit of \(plan.id)") { $0.kind == .containerExited && $0.container == plan.id && $0.sequence > before }
        return try #require(event.exit)
    }

    /// Runs a shell script and returns what it wrote to stdout.
    func shell(_ id: String, _ script: String, _ configure: (inout ContainerPlan) -> Void = { _ in }) throws -> String {
        var plan = plan(id, ["sh", "-c", script])
        configure(&plan)
        _ = try run(plan)
        return try output(id)
    }

    /// The text of a stream from a CRI log.
    func output(_ id: String, stream: String = "stdout") throws -> String {
        var text = ""
        // By bytes: to Swift a carriage return and a newline are one character.
        for line in try Files.read("\(path)/logs/\(id).log").split(separator: 0x0a) {
            let parts = line.split(separator: 0x20, maxSplits: 3, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
            guard parts.count == 4 else { throw HarnessError(message: "not a log line: \(parts)") }
            guard parts[1] == stream else { continue }
            text += parts[3]
            if parts[2] == "F" { text += "\n" }
        }
        return text
    }

    /// Mounts below the test's directory in the shim's mount namespace.
    func leftovers() throws -> [String] {
        let path = self.path
        let text = try Namespaces.inside("/proc/self/fd/\(mountNamespace.raw)", .mount) { try Files.readString("/proc/thread-self/mountinfo") }
        return text.split(separator: "\n").map(String.init).filter { $0.contains(path) }
    }
}

struct HarnessError: Error { var message: String }

/// Events as they arrive.
final class EventInbox: @unchecked Sendable {
    // Unchecked because of the semaphore's pointer, which never changes.
    private struct State {
        var events: [ShimEvent] = []
        var isClosed = false
    }
    private let state = Mutex(State())
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        semaphore = .allocate(capacity: 1)
        sem_init(semaphore, 0, 0)
    }
    deinit { semaphore.deallocate() }

    func add(_ event: ShimEvent) {
        state.withLock { $0.events.append(event) }
        sem_post(semaphore)
    }
    func close() {
        state.withLock { $0.isClosed = true }
        sem_post(semaphore)
    }
    var all: [ShimEvent] { state.withLock { $0.events } }

    /// The first event that fits, those that have arrived already included.
    func wait(seconds: Int = 20, _ what: String = "event", _ matches: (ShimEvent) -> Bool) throws -> ShimEvent {
        var deadline = timespec()
        clock_gettime(CLOCK_REALTIME, &deadline)
        deadline.tv_sec += seconds
        while true {
            if let event = all.first(where: matches) { return event }
            if sem_timedwait(semaphore, &deadline) != 0, errno == ETIMEDOUT { throw HarnessError(message: "no \(what) within \(seconds) s; found \(all)") }
        }
    }

    func exit(of id: String, seconds: Int = 20) throws -> ExitRecord {
        let event = try wait(seconds: seconds, "exit of \(id)") { $0.kind == .containerExited && $0.container == id }
        return try #require(event.exit)
    }

    func exit(ofExec id: UInt64) throws -> ExitRecord {
        let event = try wait("exit of exec \(id)") { $0.kind == .execExited && $0.exec == id }
        return try #require(event.exit)
    }
}
