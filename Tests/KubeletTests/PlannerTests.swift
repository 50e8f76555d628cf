import Testing
@testable import Kubelet

private let now = WallTime(seconds: 1_800_000_000)

private func seen(
    _ state: ContainerObservation.State, id: String? = "id", attempt: UInt32 = 0, current: Bool = true, image: ContainerObservation.Image = .present,
    backoff: RestartBackoff.Entry? = nil, started: Bool = true, activity: ContainerObservation.Activity = .idle, restart: StopReason? = nil
) -> ContainerObservation {
    var seen = ContainerObservation()
    (seen.id, seen.state, seen.attempt, seen.isInCurrentSandbox, seen.image) = (id, state, attempt, current, image)
    (seen.backoff, seen.isStarted, seen.activity, seen.restartReason) = (backoff, started, activity, restart)
    seen.hasInstance = state != .none
    return seen
}

private func fresh(_ image: ContainerObservation.Image = .present) -> ContainerObservation { seen(.none, id: nil, image: image) }

private func observation(
    _ containers: [String: ContainerObservation] = [:], sandbox: PodObservation.Sandbox = .ready, volumes: PodObservation.Preparation = .done,
    intent: PodObservation.Intent = .run, attempt: UInt32 = 0
) -> PodObservation {
    PodObservation(
        now: now, intent: intent, startTime: now + .seconds(-60), sandbox: sandbox, sandboxAttempt: attempt, sandboxRetryAt: nil, volumes: volumes,
        containers: containers)
}

private func spec(_ names: String..., policy: PodPlanSpec.RestartPolicy = .always, initial: [ContainerPlan] = [], deadline: Duration? = nil) -> PodPlanSpec {
    PodPlanSpec(restartPolicy: policy, initContainers: initial, containers: names.map { ContainerPlan($0) }, activeDeadline: deadline)
}

private func exited(_ code: Int32, ago: Int = 1) -> ContainerObservation.State { .exited(code: code, at: now + .seconds(-ago)) }

/// Situations and what has to be done in them.
enum PlannerTable {
    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var spec: PodPlanSpec
        var observation: PodObservation
        var actions: [PodAction]
        var testDescription: String { name }
    }

    static let beginning: [Row] = [
        Row(name: "a new pod gets volumes and a sandbox side by side", spec: spec("a"), observation: observation(sandbox: .none, volumes: .needed),
            actions: [.prepareVolumes, .createSandbox(attempt: 0)]),
        Row(name: "what is under way is not asked for again", spec: spec("a"), observation: observation(sandbox: .creating, volumes: .inProgress), actions: []),
        Row(name: "no container before the volumes are there", spec: spec("a"), observation: observation(["a": fresh()], volumes: .inProgress), actions: []),
        Row(name: "volumes that failed wait", spec: spec("a"), observation: observation(volumes: .failed(retryAt: now + .seconds(5))),
            actions: [.wake(at: now + .seconds(5))]),
        Row(name: "and are tried again", spec: spec("a"), observation: observation(volumes: .failed(retryAt: now)), actions: [.prepareVolumes]),
        Row(name: "first the image", spec: spec("a"), observation: observation(["a": fresh(.unknown)]), actions: [.ensureImage(container: "a")]),
        Row(name: "then the container", spec: spec("a"), observation: observation(["a": fresh()]), actions: [.startContainer(name: "a", attempt: 0, backoff: nil)]),
        Row(name: "containers start together", spec: spec("a", "b"), observation: observation(["a": fresh(), "b": fresh(.unknown)]),
            actions: [.startContainer(name: "a", attempt: 0, backoff: nil), .ensureImage(container: "b")]),
        Row(name: "a container in someone's hand is left alone", spec: spec("a"), observation: observation(["a": seen(.none, id: nil, activity: .starting)]), actions: []),
        Row(name: "an image that could not be pulled is waited for", spec: spec("a"), observation: observation(["a": fresh(.failed(retryAt: now + .seconds(3)))]),
            actions: [.backOff(container: "a", until: now + .seconds(3), isImage: true), .wake(at: now + .seconds(3))]),
        Row(name: "and pulled again", spec: spec("a"), observation: observation(["a": fresh(.failed(retryAt: now))]), actions: [.ensureImage(container: "a")]),
        Row(name: "a container that was made but never ran is replaced", spec: spec("a"), observation: observation(["a": seen(.created)]),
            actions: [.discardContainer(name: "a", id: "id")]),
        Row(name: "all is well", spec: spec("a"), observation: observation(["a": seen(.running)]), actions: []),
    ]

    static let sidecar = ContainerPlan("s", role: .sidecar)
    static let first = ContainerPlan("i", role: .initialization)

    static let initialization: [Row] = [
        Row(name: "init containers come first", spec: spec("a", initial: [first]), observation: observation(["i": fresh(), "a": fresh()]),
            actions: [.startContainer(name: "i", attempt: 0, backoff: nil)]),
        Row(name: "the pod waits for one that runs", spec: spec("a", initial: [first]), observation: observation(["i": seen(.running), "a": fresh()]), actions: []),
        Row(name: "one that succeeded lets the next go", spec: spec("a", initial: [first]), observation: observation(["i": seen(exited(0)), "a": fresh()]),
            actions: [.startContainer(name: "a", attempt: 0, backoff: nil)]),
        Row(name: "one that failed is tried again", spec: spec("a", policy: .onFailure, initial: [first]), observation: observation(["i": seen(exited(1)), "a": fresh()]),
            actions: [.startContainer(name: "i", attempt: 1, backoff: .init(delay: .seconds(10), attemptedAt: now))]),
        Row(name: "with Never its failure ends the pod", spec: spec("a", policy: .never, initial: [first]), observation: observation(["i": seen(exited(1)), "a": fresh()]),
            actions: [.stopSandbox]),
        Row(name: "a sidecar starts before what comes after it", spec: spec("a", initial: [sidecar, first]),
            observation: observation(["s": fresh(), "i": fresh(), "a": fresh()]), actions: [.startContainer(name: "s", attempt: 0, backoff: nil)]),
        Row(name: "which waits for the sidecar's startup probe", spec: spec("a", initial: [sidecar, first]),
            observation: observation(["s": seen(.running, started: false), "i": fresh(), "a": fresh()]), actions: []),
        Row(name: "and goes on once it has started", spec: spec("a", initial: [sidecar, first]),
            observation: observation(["s": seen(.running), "i": fresh(), "a": fresh()]), actions: [.startContainer(name: "i", attempt: 0, backoff: nil)]),
        Row(name: "a sidecar restarts whatever the policy, beside running containers", spec: spec("a", policy: .never, initial: [sidecar]),
            observation: observation(["s": seen(exited(0)), "a": seen(.running)]),
            actions: [.startContainer(name: "s", attempt: 1, backoff: .init(delay: .seconds(10), attemptedAt: now))]),
    ]

    static let restarts: [Row] = [
        Row(name: "Always restarts after success", spec: spec("a", policy: .always), observation: observation(["a": seen(exited(0))]),
            actions: [.startContainer(name: "a", attempt: 1, backoff: .init(delay: .seconds(10), attemptedAt: now))]),
        Row(name: "OnFailure does not", spec: spec("a", "b", policy: .onFailure), observation: observation(["a": seen(exited(0)), "b": seen(.running)]), actions: []),
        Row(name: "OnFailure restarts after failure", spec: spec("a", policy: .onFailure), observation: observation(["a": seen(exited(1), attempt: 2)]),
            actions: [.startContainer(name: "a", attempt: 3, backoff: .init(delay: .seconds(10), attemptedAt: now))]),
        Row(name: "Never does not", spec: spec("a", "b", policy: .never), observation: observation(["a": seen(exited(1)), "b": seen(.running)]), actions: []),
        Row(name: "a second crash waits", spec: spec("a"),
            observation: observation(["a": seen(exited(1, ago: 3), backoff: .init(delay: .seconds(10), attemptedAt: now + .seconds(-4)))]),
            actions: [.backOff(container: "a", until: now + .seconds(7), isImage: false), .wake(at: now + .seconds(7))]),
        Row(name: "then the wait doubles", spec: spec("a"),
            observation: observation(["a": seen(exited(1, ago: 10), attempt: 1, backoff: .init(delay: .seconds(10), attemptedAt: now + .seconds(-11)))]),
            actions: [.startContainer(name: "a", attempt: 2, backoff: .init(delay: .seconds(20), attemptedAt: now))]),
        Row(name: "liveness replaces a container", spec: spec("a"), observation: observation(["a": seen(.running, restart: .livenessProbeFailed)]),
            actions: [.stopContainer(name: "a", id: "id", reason: .livenessProbeFailed)]),
        Row(name: "a lost sandbox is given back", spec: spec("a"), observation: observation(["a": seen(exited(137))], sandbox: .failed), actions: [.stopSandbox]),
        Row(name: "and made anew", spec: spec("a"), observation: observation(["a": seen(exited(137), current: false)], sandbox: .none, attempt: 1),
            actions: [.createSandbox(attempt: 1)]),
        Row(name: "in the new one init containers run again", spec: spec("a", initial: [first]),
            observation: observation(["i": seen(exited(0), current: false), "a": seen(exited(137), current: false)], attempt: 1),
            actions: [.startContainer(name: "i", attempt: 1, backoff: .init(delay: .seconds(10), attemptedAt: now))]),
    ]

    static let ends: [Row] = [
        Row(name: "a finished pod gives its sandbox back", spec: spec("a", policy: .never), observation: observation(["a": seen(exited(0))]), actions: [.stopSandbox]),
        Row(name: "after its sidecars have stopped", spec: spec("a", policy: .never, initial: [sidecar]), observation: observation(["s": seen(.running), "a": seen(exited(0))]),
            actions: [.stopContainer(name: "s", id: "id", reason: .podFinished)]),
        Row(name: "and then nothing happens any more", spec: spec("a", policy: .never), observation: observation(["a": seen(exited(0))], sandbox: .none), actions: []),
        Row(name: "a deleted pod stops its containers together", spec: spec("a", "b"),
            observation: observation(["a": seen(.running), "b": seen(.running)], intent: .terminate(removes: true)),
            actions: [.stopContainer(name: "a", id: "id", reason: .podTermination), .stopContainer(name: "b", id: "id", reason: .podTermination)]),
        Row(name: "sidecars after them", spec: spec("a", initial: [sidecar, ContainerPlan("t", role: .sidecar)]),
            observation: observation(["s": seen(.running), "t": seen(.running), "a": seen(exited(0))], intent: .terminate(removes: true)),
            actions: [.stopContainer(name: "t", id: "id", reason: .podTermination)]),
        Row(name: "then the sandbox", spec: spec("a"), observation: observation(["a": seen(exited(0))], intent: .terminate(removes: true)), actions: [.stopSandbox]),
        Row(name: "then the object", spec: spec("a"), observation: observation(["a": seen(exited(0))], sandbox: .none, intent: .terminate(removes: true)),
            actions: [.finish]),
        Row(name: "not while an image is being pulled", spec: spec("a"),
            observation: observation(["a": seen(.none, id: nil, activity: .pulling)], sandbox: .none, intent: .terminate(removes: true)), actions: []),
        Row(name: "past its deadline a pod ends", spec: spec("a", deadline: .seconds(60)), observation: observation(["a": seen(.running)]), actions: [.exceedDeadline]),
        Row(name: "before that its deadline is waited for", spec: spec("a", deadline: .seconds(61)), observation: observation(["a": seen(.running)]),
            actions: [.wake(at: now + .seconds(1))]),
        Row(name: "such a pod keeps its object", spec: spec("a"), observation: observation(["a": seen(exited(0))], sandbox: .none, intent: .terminate(removes: false)),
            actions: []),
    ]
}

@Suite("What a pod needs next")
struct PlannerTests {
    @Test("from the start to running", arguments: PlannerTable.beginning)
    func begins(_ row: PlannerTable.Row) { #expect(Planner.plan(row.spec, row.observation) == row.actions) }

    @Test("init containers and sidecars", arguments: PlannerTable.initialization)
    func initializes(_ row: PlannerTable.Row) { #expect(Planner.plan(row.spec, row.observation) == row.actions) }

    @Test("restarts", arguments: PlannerTable.restarts)
    func restarts(_ row: PlannerTable.Row) { #expect(Planner.plan(row.spec, row.observation) == row.actions) }

    @Test("the end", arguments: PlannerTable.ends)
    func ends(_ row: PlannerTable.Row) { #expect(Planner.plan(row.spec, row.observation) == row.actions) }
}

@Suite("Back-off")
struct RestartBackoffTests {
    @Test("10 s, doubling to 5 min")
    func doubles() {
        var entry: RestartBackoff.Entry?
        var time = now
        var waits: [Duration] = []
        for _ in 0..<8 {
            let failedAt = time + .seconds(1)
            let retryAt = RestartBackoff.retryTime(after: entry, failedAt: failedAt) ?? failedAt
            waits.append(retryAt - failedAt)
            entry = RestartBackoff.entry(after: entry, failedAt: failedAt, now: retryAt)
            time = retryAt
        }
        #expect(waits == [0, 10, 20, 40, 80, 160, 300, 300].map { .seconds($0) })
    }

    @Test("forgotten after ten minutes of running")
    func forgets() {
        let entry = RestartBackoff.Entry(delay: .seconds(160), attemptedAt: now)
        #expect(RestartBackoff.retryTime(after: entry, failedAt: now + .seconds(600)) == now + .seconds(760))
        #expect(RestartBackoff.retryTime(after: entry, failedAt: now + .seconds(601)) == nil)
        #expect(RestartBackoff.entry(after: entry, failedAt: now + .seconds(601), now: now + .seconds(601)).delay == .seconds(10))
    }
}
