import JSONTree
import Testing
@testable import Kubelet

@Suite("Status")
struct StatusTests {
    private func observation(_ containers: [String: ContainerObservation]) -> PodObservation {
        PodObservation(
            now: WallTime(seconds: 100), intent: .run, startTime: WallTime(seconds: 0), sandbox: .ready, sandboxAttempt: 0, sandboxRetryAt: nil, volumes: .done,
            containers: containers)
    }

    private static func seen(_ state: ContainerObservation.State) -> ContainerObservation {
        var seen = ContainerObservation()
        seen.state = state
        seen.hasInstance = state != .none
        return seen
    }

    private static let running = seen(.running)
    private static let done = seen(.exited(code: 0, at: WallTime(seconds: 1)))
    private static let failed = seen(.exited(code: 1, at: WallTime(seconds: 1)))
    private static let new = ContainerObservation()

    @Test("the phase of a pod of two containers", arguments: [
        (PodPlanSpec.RestartPolicy.always, [new, new], false, PodPhase.pending),
        (.always, [running, new], false, .pending),
        (.always, [running, running], false, .running),
        (.always, [failed, done], false, .running),
        (.onFailure, [done, done], false, .succeeded),
        (.onFailure, [failed, done], false, .running),
        (.never, [failed, done], false, .failed),
        (.never, [failed, running], false, .running),
        (.never, [done, done], false, .succeeded),
        (.always, [done, done], true, .succeeded),
        (.always, [failed, done], true, .failed),
        (.always, [new, new], true, .failed),
    ])
    func phase(policy: PodPlanSpec.RestartPolicy, containers: [ContainerObservation], isEnding: Bool, phase: PodPhase) {
        let spec = PodPlanSpec(restartPolicy: policy, initContainers: [], containers: [ContainerPlan("a"), ContainerPlan("b")], activeDeadline: nil)
        #expect(PodPhase(spec, observation(["a": containers[0], "b": containers[1]]), isEnding: isEnding) == phase)
    }

    @Test func initContainersHoldThePodBack() {
        let spec = PodPlanSpec(
            restartPolicy: .never, initContainers: [ContainerPlan("i", role: .initialization)], containers: [ContainerPlan("a")], activeDeadline: nil)
        #expect(PodPhase(spec, observation(["i": Self.running]), isEnding: false) == .pending)
        #expect(PodPhase(spec, observation(["i": Self.failed]), isEnding: false) == .failed)
        #expect(PodPhase(spec, observation(["i": Self.done, "a": Self.running]), isEnding: false) == .running)
    }

    private func conditions(_ phase: PodPhase, unready: [String] = [], gates: [(String, String?)] = [], incomplete: [String] = []) -> [String: PodCondition] {
        let built = PodConditions.build(
            .init(phase: phase, hasSandbox: true, isInitialized: incomplete.isEmpty, incompleteInitContainers: incomplete, unreadyContainers: unready, readinessGates: gates.map { ($0.0, $0.1) }))
        return Dictionary(uniqueKeysWithValues: built.map { ($0.type, $0) })
    }

    @Test func conditionsInKubernetesWords() {
        #expect(conditions(.running)["Ready"]?.status == true)
        let unready = conditions(.running, unready: ["a", "b"])
        #expect(unready["Ready"]?.message == "containers with unready status: [a b]")
        #expect(unready["ContainersReady"]?.reason == "ContainersNotReady")
        #expect(conditions(.pending, incomplete: ["i"])["Initialized"]?.message == "containers with incomplete status: [i]")
        #expect(conditions(.succeeded)["Initialized"]?.reason == "PodCompleted")
        #expect(conditions(.failed, unready: ["a"])["Ready"]?.reason == "PodFailed")
    }

    @Test func readinessGates() {
        let missing = conditions(.running, gates: [("x", nil)])
        #expect(missing["ContainersReady"]?.status == true)
        #expect(missing["Ready"]?.message == "corresponding condition of pod readiness gate \"x\" does not exist.")
        #expect(conditions(.running, gates: [("x", "False")])["Ready"]?.message == "the status of pod readiness gate \"x\" is not \"True\", but False")
        #expect(conditions(.running, gates: [("x", "True")])["Ready"]?.status == true)
    }

    @Test("a condition's time moves with its status alone")
    func transitionTimes() {
        func build(_ status: Bool, _ before: [JSON], at second: Int64) -> [JSON] {
            PodConditions.json([PodCondition(type: "Ready", status: status)], published: ["conditions": .array(before)], generation: 1, now: WallTime(seconds: second))
        }
        let first = build(true, [], at: 1)
        #expect(build(true, first, at: 2)[0]["lastTransitionTime"] == first[0]["lastTransitionTime"])
        #expect(build(false, first, at: 2)[0]["lastTransitionTime"]?.string == "1970-01-01T00:00:02Z")
    }

    @Test func patches() throws {
        let old: JSON = [
            "phase": "Pending", "reason": "x", "podIPs": [["ip": "1"]],
            "conditions": [["type": "Ready", "status": "False", "message": "m"], ["type": "Initialized", "status": "True"]],
        ]
        let new: JSON = [
            "phase": "Running", "podIPs": [["ip": "2"]],
            "conditions": [["type": "Initialized", "status": "True"], ["type": "Ready", "status": "True"]],
        ]
        let patch = try #require(StatusPatch.make(from: old, to: new, uid: "u"))
        #expect(patch == [
            "metadata": ["uid": "u"],
            "status": [
                "phase": "Running", "reason": nil, "podIPs": [["ip": "2"], ["ip": "1", "$patch": "delete"]],
                "conditions": [["type": "Ready", "status": "True", "message": nil]],
            ],
        ])
        #expect(StatusPatch.make(from: new, to: new, uid: "u") == nil)
        var reordered = new
        reordered["conditions"] = .array((new["conditions"]?.array ?? []).reversed())
        #expect(StatusPatch.make(from: reordered, to: new, uid: "u") == nil, "the order of conditions means nothing")
    }

    @Test func probeThresholds() {
        let spec = ProbeSpec(check: .tcp(host: nil, port: 1), successThreshold: 2, failureThreshold: 3)
        var state = ProbeState()
        func feed(_ outcomes: [Bool]) -> [Bool] { outcomes.map { state.record(success: $0, spec) } }
        #expect(feed([true, false, true, true]) == [false, false, false, true])
        #expect(state.verdict == true)
        #expect(feed([false, false, true, false, false, false, false]) == [false, false, false, false, false, true, false])
        #expect(state.verdict == false)
    }

    @Test func durationsAsGoWritesThem() {
        #expect([0, 10, 60, 160, 300, 3700].map { GoDuration.text(seconds: $0) } == ["0s", "10s", "1m0s", "2m40s", "5m0s", "1h1m40s"])
        #expect(GoDuration.text(.milliseconds(12)) == "12ms")
        #expect(GoDuration.text(.milliseconds(1500)) == "1.5s")
        #expect(GoDuration.text(.milliseconds(2034)) == "2.034s")
    }
}
