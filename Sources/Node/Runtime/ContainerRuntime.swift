/// What the kubelet asks of a container runtime: the shape of the CRI, so that a CRI runtime could stand behind it.
///
/// The runtime knows nothing of Kubernetes: it sees resolved mounts, environment, ids and limits. Every call is
/// idempotent where the CRI asks for it (stop and remove of what is gone succeed). Nothing here polls: state changes
/// arrive on ``events(since:)``, in order, without loss across a restart of the agent.
public protocol ContainerRuntime: Sendable {
    /// Makes the pod's directory, namespaces, network and shim. The address is known when it returns, before any image is pulled.
    func runSandbox(_ configuration: SandboxConfiguration) async throws -> SandboxStatus
    /// Kills what still runs in the sandbox and gives back its network. Idempotent.
    func stopSandbox(_ id: String) async throws
    /// Removes every trace of a stopped sandbox and its containers. Idempotent.
    func removeSandbox(_ id: String) async throws
    /// Every sandbox on this node, adopted ones of an earlier agent included.
    func sandboxes() async -> [SandboxStatus]

    /// Prepares the root file system and the launch plan; nothing runs yet.
    func createContainer(in sandbox: String, _ configuration: ContainerConfiguration) async throws -> String
    /// Starts a created container; returns when the process has been executed, throws with the failing step and errno.
    func startContainer(_ id: String) async throws
    /// Sends the stop signal, waits up to `grace`, then kills; returns when the container has exited. Idempotent.
    func stopContainer(_ id: String, signal: Int32?, grace: Duration) async throws
    func removeContainer(_ id: String) async throws
    func containers(in sandbox: String?) async -> [ContainerStatus]

    /// Runs a command in a running container with the caller's descriptors as its stdio.
    func exec(in container: String, _ request: ExecRequest) async throws -> any ExecSession
    /// Connects to the streams of a running container, from now on. A client that does not read is cut off.
    func attach(to container: String, _ request: AttachRequest) async throws -> any AttachSession
    /// Makes a TCP socket in the sandbox's network namespace, not connected yet, non-blocking and close-on-exec. It belongs to
    /// the caller, and keeps the namespace alive while it is open.
    func openSocket(in sandbox: String, _ family: SocketFamily) async throws -> Int32
    /// Asks the shim to close the current log file and open a new one of the same path (after a rename).
    func reopenLog(of container: String) async throws

    /// State changes from now on. Nil element never happens; the stream ends when the runtime shuts down.
    func events() async -> AsyncStream<RuntimeEvent>
}

/// The address families of pods.
public enum SocketFamily: Sendable, Hashable { case ipv4, ipv6 }

/// Images as the kubelet sees them (the CRI's ImageService).
public protocol ImageService: Sendable {
    /// The stored image for a reference, a digest or an id; nil if the node does not have it.
    func image(_ reference: String) async throws -> ImageStatus?
    /// Makes the image available, or throws an error whose message the user sees in `ErrImagePull`.
    func pull(_ reference: String) async throws -> ImageStatus
    func images() async throws -> [ImageStatus]
}

public struct ImageStatus: Sendable, Hashable {
    /// The image id: `sha256:` and the digest of the configuration.
    public var id: String
    public var repoTags: [String]
    public var repoDigests: [String]
    /// Unpacked size in bytes.
    public var size: UInt64
    /// The user of the image's configuration, as written (`1000`, `nginx`, `1000:1000`), empty if none.
    public var user: String
    public init(id: String, repoTags: [String], repoDigests: [String], size: UInt64, user: String) {
        (self.id, self.repoTags, self.repoDigests, self.size, self.user) = (id, repoTags, repoDigests, size, user)
    }
}

public struct SandboxConfiguration: Sendable, Hashable {
    /// Pod UID; with `attempt` it makes the sandbox id.
    public var uid: String
    public var namespace: String
    public var name: String
    public var hostname: String
    public var domainname: String
    public var attempt: UInt32
    /// Directory for the container logs, made by the caller.
    public var logDirectory: String
    /// Parent cgroup relative to the node's cgroup root, e.g. `kubepods/burstable/pod<uid>`.
    public var cgroupParent: String
    /// Limits of the whole pod's cgroup.
    public var resources: ContainerResources
    public var sysctls: [String: String]
    public var hostNetwork: Bool
    public var hostPID: Bool
    public var hostIPC: Bool
    public var shareProcessNamespace: Bool
    /// False: a user namespace of its own (`hostUsers: false`).
    public var hostUsers: Bool
    public var labels: [String: String]
    public var annotations: [String: String]
    public init(uid: String, namespace: String, name: String, hostname: String, domainname: String = "", attempt: UInt32 = 0,
                logDirectory: String, cgroupParent: String, resources: ContainerResources = .init(), sysctls: [String: String] = [:],
                hostNetwork: Bool = false, hostPID: Bool = false, hostIPC: Bool = false, shareProcessNamespace: Bool = false,
                hostUsers: Bool = true, labels: [String: String] = [:], annotations: [String: String] = [:]) {
        self.uid = uid; self.namespace = namespace; self.name = name; self.hostname = hostname; self.domainname = domainname
        self.attempt = attempt; self.logDirectory = logDirectory; self.cgroupParent = cgroupParent; self.resources = resources
        self.sysctls = sysctls; self.hostNetwork = hostNetwork; self.hostPID = hostPID; self.hostIPC = hostIPC
        self.shareProcessNamespace = shareProcessNamespace; self.hostUsers = hostUsers; self.labels = labels; self.annotations = annotations
    }
}

public struct SandboxStatus: Sendable, Hashable {
    public enum State: String, Sendable { case ready, notReady }
    public var id: String
    public var configuration: SandboxConfiguration
    public var state: State
    /// Addresses without prefix length, the primary family first; empty for host network.
    public var addresses: [String]
    /// Nanoseconds since 1970.
    public var createdAt: Int64
    public init(id: String, configuration: SandboxConfiguration, state: State, addresses: [String], createdAt: Int64) {
        (self.id, self.configuration, self.state, self.addresses, self.createdAt) = (id, configuration, state, addresses, createdAt)
    }
}

public struct ContainerConfiguration: Sendable, Hashable {
    public var name: String
    public var attempt: UInt32
    /// The image id (`sha256:…`) or a reference the node has.
    public var image: String
    /// Replaces the image's entrypoint when not nil (Kubernetes `command`); `arguments` replaces its cmd (`args`).
    public var command: [String]?
    public var arguments: [String]?
    /// Empty: the image's.
    public var workingDirectory: String
    /// Added to the image's environment; later entries win.
    public var environment: [EnvironmentVariable]
    public var mounts: [Mount]
    public var resources: ContainerResources
    public var security: SecurityConfiguration
    public var stdin: Bool
    public var stdinOnce: Bool
    public var tty: Bool
    /// Log file relative to the sandbox's log directory, e.g. `nginx/0.log`.
    public var logPath: String
    public var labels: [String: String]
    public var annotations: [String: String]
    public init(name: String, attempt: UInt32 = 0, image: String, command: [String]? = nil, arguments: [String]? = nil,
                workingDirectory: String = "", environment: [EnvironmentVariable] = [], mounts: [Mount] = [],
                resources: ContainerResources = .init(), security: SecurityConfiguration = .init(), stdin: Bool = false,
                stdinOnce: Bool = false, tty: Bool = false, logPath: String, labels: [String: String] = [:], annotations: [String: String] = [:]) {
        self.name = name; self.attempt = attempt; self.image = image; self.command = command; self.arguments = arguments
        self.workingDirectory = workingDirectory; self.environment = environment; self.mounts = mounts; self.resources = resources
        self.security = security; self.stdin = stdin; self.stdinOnce = stdinOnce; self.tty = tty; self.logPath = logPath
        self.labels = labels; self.annotations = annotations
    }
}

public struct EnvironmentVariable: Sendable, Hashable {
    public var name: String
    public var value: String
    public init(name: String, value: String) { (self.name, self.value) = (name, value) }
}

/// A bind mount from the host into the container.
public struct Mount: Sendable, Hashable {
    public enum Propagation: String, Sendable { case `private`, hostToContainer, bidirectional }
    public var source: String
    public var target: String
    public var readOnly: Bool
    public var recursiveReadOnly: Bool
    public var propagation: Propagation
    public init(source: String, target: String, readOnly: Bool = false, recursiveReadOnly: Bool = false, propagation: Propagation = .private) {
        (self.source, self.target, self.readOnly, self.recursiveReadOnly, self.propagation) = (source, target, readOnly, recursiveReadOnly, propagation)
    }
}

/// Limits in cgroup v1 terms, as the CRI has them; v2 values are derived.
public struct ContainerResources: Sendable, Hashable {
    /// CPU weight, 2 to 262144; nil: the kernel's default.
    public var cpuShares: UInt64?
    /// Microseconds of CPU time in each period; nil: no limit.
    public var cpuQuota: Int64?
    /// Microseconds.
    public var cpuPeriod: UInt64?
    /// Bytes; nil: no limit.
    public var memoryLimit: Int64?
    public var pidsLimit: Int64?
    public var oomScoreAdjustment: Int?
    public init(cpuShares: UInt64? = nil, cpuQuota: Int64? = nil, cpuPeriod: UInt64? = nil, memoryLimit: Int64? = nil,
                pidsLimit: Int64? = nil, oomScoreAdjustment: Int? = nil) {
        self.cpuShares = cpuShares; self.cpuQuota = cpuQuota; self.cpuPeriod = cpuPeriod
        self.memoryLimit = memoryLimit; self.pidsLimit = pidsLimit; self.oomScoreAdjustment = oomScoreAdjustment
    }
}

public struct SecurityConfiguration: Sendable, Hashable {
    public enum Seccomp: Sendable, Hashable { case runtimeDefault, unconfined, localhost(path: String) }
    /// Nil: the image's user.
    public var user: UInt32?
    public var group: UInt32?
    public var supplementalGroups: [UInt32]
    public var privileged: Bool
    public var readOnlyRootFilesystem: Bool
    public var noNewPrivileges: Bool
    /// Names without `CAP_`, upper case; `ALL` stands for every one.
    public var addCapabilities: [String]
    public var dropCapabilities: [String]
    public var seccomp: Seccomp
    /// False for `procMount: Unmasked`.
    public var maskPaths: Bool
    public init(user: UInt32? = nil, group: UInt32? = nil, supplementalGroups: [UInt32] = [], privileged: Bool = false,
                readOnlyRootFilesystem: Bool = false, noNewPrivileges: Bool = false, addCapabilities: [String] = [],
                dropCapabilities: [String] = [], seccomp: Seccomp = .runtimeDefault, maskPaths: Bool = true) {
        self.user = user; self.group = group; self.supplementalGroups = supplementalGroups; self.privileged = privileged
        self.readOnlyRootFilesystem = readOnlyRootFilesystem; self.noNewPrivileges = noNewPrivileges
        self.addCapabilities = addCapabilities; self.dropCapabilities = dropCapabilities; self.seccomp = seccomp; self.maskPaths = maskPaths
    }
}

public struct ContainerStatus: Sendable, Hashable {
    public enum State: Sendable, Hashable {
        case created
        case running(pid: Int32)
        case exited(ContainerExit)
    }
    public var id: String
    public var sandbox: String
    public var configuration: ContainerConfiguration
    /// The image id it runs (`sha256:…`).
    public var imageID: String
    public var state: State
    /// Nanoseconds since 1970; 0 if it has not happened.
    public var createdAt: Int64
    public var startedAt: Int64
    public init(id: String, sandbox: String, configuration: ContainerConfiguration, imageID: String, state: State, createdAt: Int64, startedAt: Int64) {
        self.id = id; self.sandbox = sandbox; self.configuration = configuration; self.imageID = imageID
        self.state = state; self.createdAt = createdAt; self.startedAt = startedAt
    }
}

public struct ContainerExit: Sendable, Hashable {
    /// 128 + signal when it was killed by one.
    public var code: Int32
    public var signal: Int32?
    /// `Completed`, `Error`, `OOMKilled`, or `ContainerCannotRun` when it never executed.
    public var reason: String
    public var message: String
    /// Nanoseconds since 1970.
    public var finishedAt: Int64
    public init(code: Int32, signal: Int32? = nil, reason: String, message: String = "", finishedAt: Int64) {
        (self.code, self.signal, self.reason, self.message, self.finishedAt) = (code, signal, reason, message, finishedAt)
    }
}

public enum RuntimeEvent: Sendable, Hashable {
    case containerStarted(sandbox: String, container: String)
    case containerExited(sandbox: String, container: String, ContainerExit)
    /// The shim died or the network was lost: every container of the sandbox is dead.
    case sandboxFailed(sandbox: String, reason: String)
}

public struct ExecRequest: Sendable {
    public var command: [String]
    public var tty: Bool
    public var stdin: Bool
    /// Nil: no limit. On expiry the process is killed; the shim keeps the time.
    public var timeout: Duration?
    public init(command: [String], tty: Bool = false, stdin: Bool = false, timeout: Duration? = nil) {
        (self.command, self.tty, self.stdin, self.timeout) = (command, tty, stdin, timeout)
    }
}

/// One running exec. Descriptors belong to the caller, who closes them; they are pipes, or one terminal for all three.
public protocol ExecSession: Sendable {
    /// Write end of the process's stdin; nil if not asked for. With a terminal: the terminal's master, also `output`.
    var input: Int32? { get }
    var output: Int32 { get }
    /// Nil with a terminal.
    var errorOutput: Int32? { get }
    func resize(columns: UInt16, rows: UInt16) async throws
    /// The exit code (128 + signal when killed by one).
    func wait() async throws -> Int32
    /// Kills the process.
    func kill() async
}

/// Which streams of a container to connect to. A terminal has no error output of its own; input is only taken by a container
/// that was made with `stdin`.
public struct AttachRequest: Sendable {
    public var stdin: Bool
    public var stdout: Bool
    public var stderr: Bool
    public init(stdin: Bool = false, stdout: Bool = false, stderr: Bool = false) {
        (self.stdin, self.stdout, self.stderr) = (stdin, stdout, stderr)
    }
}

/// The ends of pipes to and from a container, nil where not asked for. They belong to the caller, who closes them; output ends
/// with the container.
public protocol AttachSession: Sendable {
    var input: Int32? { get }
    var output: Int32? { get }
    var errorOutput: Int32? { get }
    /// Sets the size of the container's terminal.
    func resize(columns: UInt16, rows: UInt16) async throws
}

/// Connects a sandbox to the pod network; implemented by PodNetwork, handed in where the program is composed.
public protocol SandboxNetwork: Sendable {
    /// Called once, after the network namespace exists and before the first container starts.
    /// - Parameter namespacePath: the pinned network namespace.
    /// - Returns: addresses without prefix length, the primary family first.
    func attach(sandbox: String, namespacePath: String) async throws -> [String]
    /// Gives everything back. Idempotent; the namespace may be gone.
    func detach(sandbox: String, namespacePath: String) async throws
}
