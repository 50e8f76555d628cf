import Glibc
import Runtime
import Synchronization
@testable import Kubelet

typealias ContainerStatus = Runtime.ContainerStatus

/// A runtime in memory whose containers run until a test ends them.
final class FakeRuntime: ContainerRuntime, ImageService {
    struct State {
        var sandboxes: [String: SandboxStatus] = [:]
        var containers: [String: ContainerStatus] = [:]
        var continuations: [AsyncStream<RuntimeEvent>.Continuation] = []
        var next = 0
        var startFailures: [String: String] = [:]
        var images: [String: ImageStatus] = [:]
        /// Containers that ignore the stop signal and have to be killed by a test.
        var stubborn: Set<String> = []
        var stopWaiters: [String: [Recorded<Bool>]] = [:]
    }
    let state = Mutex(State())
    /// Every call, as `verb subject`.
    let calls = Recorded<String>()
    let clock: ManualClock

    init(clock: ManualClock, images: [String] = ["nginx", "busybox"]) {
        self.clock = clock
        state.withLock { state in
            for name in images { state.images[name] = ImageStatus(id: "sha256:\(name)", repoTags: [name], repoDigests: ["\(name)@sha256:d"], size: 100, user: "") }
        }
    }

    func runSandbox(_ configuration: SandboxConfiguration) async throws -> SandboxStatus {
        let status = state.withLock { state in
            state.next += 1
            let status = SandboxStatus(
                id: "sandbox\(state.next)", configuration: configuration, state: .ready, addresses: configuration.hostNetwork ? [] : ["10.244.0.\(state.next)"],
                createdAt: clock.now().nanoseconds)
            state.sandboxes[status.id] = status
            return status
        }
        calls.append("runSandbox \(configuration.attempt)")
        return status
    }

    func stopSandbox(_ id: String) async throws {
        state.withLock { state in
            state.sandboxes[id]?.state = .notReady
            for (key, container) in state.containers where container.sandbox == id { if case .running = container.state { state.containers[key]?.state = .exited(exit(137)) } }
        }
        calls.append("stopSandbox \(id)")
    }

    func removeSandbox(_ id: String) async throws {
        state.withLock { state in
            state.sandboxes[id] = nil
            state.containers = state.containers.filter { $0.value.sandbox != id }
        }
        calls.append("removeSandbox \(id)")
    }

    func sandboxes() async -> [SandboxStatus] { state.withLock { Array($0.sandboxes.values) } }

    func createContainer(in sandbox: String, _ configuration: ContainerConfiguration) async throws -> String {
        let id = state.withLock { state in
            state.next += 1
            let id = "container\(state.next)"
            state.containers[id] = ContainerStatus(
                id: id, sandbox: sandbox, configuration: configuration, imageID: configuration.image, state: .created, createdAt: clock.now().nanoseconds, startedAt: 0)
            return id
        }
        calls.append("create \(configuration.name) \(configuration.attempt)")
        return id
    }

    func startContainer(_ id: String) async throws {
        let (name, failure) = state.withLock { state -> (String, String?) in
            let name = state.containers[id]?.configuration.name ?? ""
            let failure = state.startFailures[name]
            if failure == nil {
                state.containers[id]?.state = .running(pid: 1)
                state.containers[id]?.startedAt = clock.now().nanoseconds
            } else {
                state.containers[id]?.state = .exited(ContainerExit(code: 127, reason: "ContainerCannotRun", finishedAt: clock.now().nanoseconds))
            }
            return (name, failure)
        }
        calls.append("start \(name)")
        if let failure { throw KubeletError(.badRequest, failure) }
        notify(id)
    }

    func stopContainer(_ id: String, signal: Int32?, grace: Duration) async throws {
        let name = state.withLock { $0.containers[id]?.configuration.name ?? "" }
        calls.append("stop \(name) \(grace.components.seconds)")
        let isStubborn = state.withLock { $0.stubborn.contains(name) } && grace > .zero
        if isStubborn {
            let ended = Recorded<Bool>()
            state.withLock { $0.stopWaiters[id, default: []].append(ended) }
            await ended.wait { !$0.isEmpty }
            try Task.checkCancellation()
        } else {
            end(id, code: grace == .zero ? 137 : 143)
        }
    }

    func removeContainer(_ id: String) async throws {
        let name = state.withLock { state in state.containers.removeValue(forKey: id)?.configuration.name ?? "" }
        calls.append("remove \(name)")
    }

    func containers(in sandbox: String?) async -> [ContainerStatus] {
        state.withLock { state in state.containers.values.filter { sandbox == nil || $0.sandbox == sandbox }.sorted { $0.id < $1.id } }
    }

    func attach(to container: String, _ request: AttachRequest) async throws -> any AttachSession {
        throw RuntimeError(.execFailed, "containers in memory have no streams")
    }

    func exec(in container: String, _ request: ExecRequest) async throws -> any ExecSession {
        calls.append("exec \(request.command.joined(separator: " "))")
        return FakeExec(request)
    }
    func reopenLog(of container: String) async throws {}

    /// The namespace of the tests themselves: what they listen on is what the pod listens on.
    func openSocket(in sandbox: String, _ family: SocketFamily) async throws -> Int32 {
        calls.append("openSocket \(sandbox)")
        return socket(family == .ipv4 ? AF_INET : AF_INET6, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    }

    func events() async -> AsyncStream<RuntimeEvent> {
        let (stream, continuation) = AsyncStream<RuntimeEvent>.makeStream()
        state.withLock { $0.continuations.append(continuation) }
        return stream
    }

    func image(_ reference: String) async throws -> ImageStatus? { state.withLock { state in state.images.values.first { $0.id == reference || $0.repoTags.contains(reference) } } }
    func pull(_ reference: String) async throws -> ImageStatus {
        calls.append("pull \(reference)")
        guard let image = try await image(reference) else { throw KubeletError(.notFound, "image \"\(reference)\" not found") }
        return image
    }
    func images() async throws -> [ImageStatus] { state.withLock { Array($0.images.values) } }

    // MARK: What tests do to it

    private func exit(_ code: Int32) -> ContainerExit {
        ContainerExit(code: code, reason: code == 0 ? "Completed" : "Error", finishedAt: clock.now().nanoseconds)
    }

    func running(_ name: String) -> ContainerStatus? {
        state.withLock { state in
            state.containers.values.first { status in
                if case .running = status.state { status.configuration.name == name } else { false }
            }
        }
    }

    /// The running instance of a container exits.
    func exit(_ name: String, code: Int32) {
        guard let status = running(name) else { return }
        end(status.id, code: code)
    }

    func end(_ id: String, code: Int32) {
        let waiters = state.withLock { state -> [Recorded<Bool>] in
            if case .running = state.containers[id]?.state { state.containers[id]?.state = .exited(exit(code)) }
            return state.stopWaiters.removeValue(forKey: id) ?? []
        }
        for waiter in waiters { waiter.append(true) }
        notify(id)
    }

    func failSandboxes() {
        let ids = state.withLock { state in
            for (id, _) in state.sandboxes { state.sandboxes[id]?.state = .notReady }
            for (key, container) in state.containers { if case .running = container.state { state.containers[key]?.state = .exited(exit(137)) } }
            return Array(state.sandboxes.keys)
        }
        for id in ids { for continuation in state.withLock({ $0.continuations }) { continuation.yield(.sandboxFailed(sandbox: id, reason: "the shim died")) } }
    }

    private func notify(_ id: String) {
        let (sandbox, continuations) = state.withLock { ($0.containers[id]?.sandbox ?? "", $0.continuations) }
        for continuation in continuations { continuation.yield(.containerStarted(sandbox: sandbox, container: id)) }
    }
}

/// An exec that says its command back and exits with the number after `exit`.
final class FakeExec: ExecSession {
    let input: Int32?
    let output: Int32
    let errorOutput: Int32?
    private let code: Int32
    private let echo: (read: Int32, write: Int32)?

    init(_ request: ExecRequest) {
        var (out, err, into): ([Int32], [Int32], [Int32]) = ([0, 0], [0, 0], [0, 0])
        pipe(&out)
        pipe(&err)
        code = request.command.first == "exit" ? Int32(request.command.last ?? "") ?? 0 : 0
        if request.stdin {
            pipe(&into)
            input = into[1]
            echo = (into[0], out[1])
        } else {
            input = nil
            echo = nil
            let text = Array(request.command.joined(separator: " ").utf8)
            _ = write(out[1], text, text.count)
            close(out[1])
        }
        close(err[1])
        (output, errorOutput) = (out[0], err[0])
    }

    func resize(columns: UInt16, rows: UInt16) async throws {}
    func wait() async throws -> Int32 {
        if let echo {
            let reader = DescriptorIO(echo.read, .read)
            while let bytes = try await reader.read() { _ = write(echo.write, bytes, bytes.count) }
            close(echo.read)
            close(echo.write)
        }
        return code
    }
    func kill() async {}
}
