import LinuxSystem
import ShimProtocol

/// A container of this pod.
///
/// ```
/// creating ──ready──▶ created ──start──▶ starting ──execve──▶ running ──▶ exited
///     └───────────────────┴────────────────▲┴── failure, death ────────────▲
///                                   run ───┘
/// ```
final class Container {
    enum State {
        case creating(Request)
        case created
        case starting(Request)
        case running
        case exited(ExitRecord)
    }

    let id: String
    /// Emptied when the container has ended: a shim keeps many that have.
    private(set) var plan: ContainerPlan
    let output: ContainerOutput
    var state: State
    /// 0 until the intermediate process has reported it.
    var pid: Int32 = 0
    var pidfd: FileDescriptor?
    /// Open until execve or death.
    var channel: ShimChannel?
    /// The child has said that execve comes next: the end of the channel is then its success.
    var isExecuting = false
    var failure: ShimFailure?
    var startedAt: Int64 = 0
    /// Registrations in the poller.
    var tokens: Set<UInt64> = []
    /// Deleted before it had ended: its end is nobody's business any more.
    var isDeleted = false
    /// `oom_kill` of the cgroup when the container was made.
    var oomKillsBefore: UInt64 = 0

    /// - Parameter runsAtOnce: it does not wait to be started.
    init(plan: ContainerPlan, output: ContainerOutput, request: Request, runsAtOnce: Bool) {
        (self.id, self.plan, self.output, self.state) = (plan.id, plan, output, runsAtOnce ? .starting(request) : .creating(request))
    }

    func forgetPlan() { plan = ContainerPlan() }

    var description: ShimContainer {
        let (kind, exit): (ShimContainer.State, ExitRecord?) = switch state {
        case .creating: (.creating, nil)
        case .created: (.created, nil)
        case .starting: (.starting, nil)
        case .running: (.running, nil)
        case .exited(let record): (.exited, record)
        }
        return ShimContainer(id: id, state: kind, pid: exit == nil ? pid : 0, startedAt: startedAt, exit: exit)
    }

    /// Processes that the kernel killed in the container's cgroup for lack of memory, from `memory.events` or
    /// `memory.oom_control`: both have a line `oom_kill N`. 0 if the file cannot be read.
    func oomKills() -> UInt64 {
        guard !plan.oomEventsPath.isEmpty, let text = try? Files.readString(plan.oomEventsPath) else { return 0 }
        for line in text.split(separator: "\n") where line.hasPrefix("oom_kill ") {
            return UInt64(line.dropFirst(9)) ?? 0
        }
        return 0
    }
}

/// A command in a container.
final class Exec {
    let plan: ExecPlan
    let client: Client
    /// Nil once answered: by the success of execve, or by the end of a process that never executed.
    var request: Request?
    var pid: Int32 = 0
    var pidfd: FileDescriptor?
    var channel: ShimChannel?
    var channelToken: UInt64 = 0
    var isExecuting = false
    var failure: ShimFailure?
    var master: FileDescriptor?
    /// CLOCK_MONOTONIC nanoseconds; nil: no limit.
    var deadline: Int64?
    var timedOut = false
    let startedAt: Int64

    init(plan: ExecPlan, client: Client, request: Request) {
        (self.plan, self.client, self.request) = (plan, client, request)
        startedAt = Clocks.now()
        if plan.timeout > 0 { deadline = Clocks.monotonic().addingReportingOverflow(Int64(clamping: plan.timeout)).partialValue }
        if let deadline, deadline < 0 { self.deadline = nil } // beyond the clock: no limit
    }
}

/// Whom to answer.
struct Request {
    let client: Client
    let id: UInt32
}

/// A connection to the agent, or to another client of the same user.
final class Client {
    let socket: FileDescriptor
    let token: UInt64
    var reader = FrameReader()
    var writer = FrameWriter()
    var isSubscribed = false
    var wantsWrite = false
    var isClosed = false

    init(socket: FileDescriptor, token: UInt64) { (self.socket, self.token) = (socket, token) }
}
