import Cgroups
import CLinux
import Glibc
import Images
import LinuxSystem
import Logging
import Seccomp
import ShimProtocol

/// What of the image a container needs, looked up before the sandbox is asked.
struct PreparedImage: Sendable {
    /// `sha256:…`
    var id: String
    /// Unpacked layers, the uppermost first: names below the layers directory.
    var layersDirectory: String
    var layers: [String]
    var defaults: ImageDefaults
    var accounts: AccountFiles
}

extension Sandbox {
    /// Writes the launch plan and makes what the container needs on the host; nothing runs yet.
    func create(_ configuration: ContainerConfiguration, image: PreparedImage) async throws(RuntimeError) -> String {
        _ = try requireReady()
        let resolved = try ResolvedContainer.resolve(
            configuration, image: image.defaults, accounts: image.accounts, pod: podContext, host: services.host)
        let seccomp = try services.step(.createFailed, "compile the seccomp profile") { try seccompProgram(configuration, resolved) }
        let container = Identifiers.container()
        do {
            try make(container, configuration, resolved, seccomp: seccomp, image: image)
        } catch {
            await takeBack(container)
            throw error
        }
        return container
    }

    private func make(
        _ container: String, _ configuration: ContainerConfiguration, _ resolved: ResolvedContainer, seccomp: [UInt8], image: PreparedImage
    ) throws(RuntimeError) {
        let scope = LedgerEntry.Scope.container(container)
        // No ledger entry: a starting agent releases what no container claims.
        try services.step(.createFailed, "claim the image") { try services.images.hold(image.id, holder: container) }
        let root = directories.root(container)
        let cgroupPath = "\(record.configuration.cgroupParent)/\(container)"
        try services.step(.createFailed, "make the directory of the root file system") {
            // Everything in one write, before the first deed.
            try ledger.note([(.directory, root), (.cgroup, cgroupPath), (.directory, directories.planFile(id, container))], for: scope)
            try Files.makeDirectory(root, mode: 0o711, exclusive: true)
        }
        let places = try services.step(.createFailed, "make the cgroup") {
            let cgroupRoot = services.configuration.cgroupRoot
            return CgroupPlaces(try cgroupRoot.cgroup(cgroupPath).create(resolved.resources), root: cgroupRoot)
        }
        let logPath = "\(record.configuration.logDirectory)/\(configuration.logPath)"
        try services.step(.createFailed, "make the log directory") {
            try Files.makeDirectories(String(logPath[..<(logPath.lastIndex(of: "/") ?? logPath.endIndex)]), mode: 0o755)
        }
        let prepared = PlanBuilder.Prepared(
            id: container, layersDirectory: image.layersDirectory, layers: image.layers, writable: root, cgroup: places, seccomp: seccomp, logPath: logPath,
            logMaximumBytes: services.configuration.logMaximumBytes, logMaximumFiles: services.configuration.logMaximumFiles)
        let plan = PlanBuilder.container(resolved, configuration: configuration, sandbox: record.configuration, prepared: prepared)
        let new = ContainerRecord(
            id: container, sandbox: id, configuration: configuration, imageID: image.id, state: .created, createdAt: Clocks.now(), startedAt: 0,
            stopSignal: resolved.stopSignal)
        try services.step(.createFailed, "write the launch plan") {
            try Files.writeAtomically(plan.bytes, to: directories.planFile(id, container), durable: false)
            try persist(new)
        }
        containers[container] = Container(record: new, plan: plan)
    }

    private func seccompProgram(_ configuration: ContainerConfiguration, _ resolved: ResolvedContainer) throws -> [UInt8] {
        if configuration.security.privileged { return [] }
        switch configuration.security.seccomp {
        case .unconfined: return []
        case .runtimeDefault: return try services.seccomp.runtimeDefault(capabilities: Set(resolved.capabilities.names)).bytes
        case .localhost(let path):
            guard Identifiers.isConfined(path) else {
                throw RuntimeError(.invalidConfiguration, "seccomp profile \"\(path)\" is not usable: expected a path relative to \(services.configuration.seccompProfileDirectory)")
            }
            let directory = try openFile(services.configuration.seccompProfileDirectory, [.path, .directory])
            let file = try openConfined(path, resolve: [.beneath, .noMagicLinks], at: directory)
            return try services.seccomp.program(for: SeccompProfileFile.parse(file.readAll(limit: 4 << 20))).bytes
        }
    }

    /// Undoes what a container has on the host. What fails stays in the ledger for the next start.
    func takeBack(_ container: String) async {
        let entries = ledger.outstanding.filter { $0.scope == .container(container) }
        do {
            try await services.cleaner.undo(entries, sandbox: id)
            try ledger.end(.container(container))
            try services.images.release(holder: container)
        } catch {
            services.logger.warning("container \(container) is not gone completely: \(error)")
        }
    }

    func plan(of container: String) throws(RuntimeError) -> ContainerPlan {
        try services.step(.startFailed, "read the launch plan") { try ContainerPlan(decoding: Files.read(directories.planFile(id, container))) }
    }

    /// Runs a created container.
    func start(_ container: String) async throws(RuntimeError) {
        let shim = try requireReady()
        let found = try self.container(container)
        guard case .created = found.record.state, !found.isStarting, !found.isRemoving else {
            throw RuntimeError(.wrongState, "container \(container) cannot be started: it has been started already")
        }
        let plan: ContainerPlan
        if let made = found.plan { plan = made } else { plan = try self.plan(of: container) }
        containers[container]?.plan = nil
        containers[container]?.isStarting = true
        do throws(RuntimeError) {
            let started = try await shim.start(plan)
            containers[container]?.isStarting = false
            try noteStarted(container, pid: started.pid, at: started.time)
        } catch {
            containers[container]?.isStarting = false
            noteStartFailed(container, error)
            throw error
        }
    }

    func noteStarted(_ container: String, pid: Int32, at time: Int64) throws(RuntimeError) {
        // The exit can overtake the answer to the start: what has exited does not run again.
        guard var record = containers[container]?.record, case .created = record.state else { return }
        record.state = .running(pid: pid)
        record.startedAt = time
        containers[container]?.record = record
        services.hub.send(.containerStarted(sandbox: id, container: container))
        try services.step(.startFailed, "write the container's state") { try persist(record) }
    }

    /// A container that never executed has exited, with runc's codes: 127 where the program is missing, else 128.
    private func noteStartFailed(_ container: String, _ error: RuntimeError) {
        guard var record = containers[container]?.record, case .created = record.state else { return }
        let code: Int32 = error.errno == ENOENT ? 127 : 128
        let exit = ContainerExit(code: code, reason: "ContainerCannotRun", message: error.message, finishedAt: Clocks.now())
        record.state = .exited(exit)
        containers[container]?.record = record
        do { try persist(record) } catch { services.logger.warning("could not write the state of container \(container): \(error)") }
        services.hub.send(.containerExited(sandbox: id, container: container, exit))
        resumeWaiters(of: container)
    }

    /// Signal, grace, SIGKILL; returns when the container has exited.
    func stop(_ container: String, signal: Int32?, grace: Duration) async throws(RuntimeError) {
        guard let found = containers[container], found.record.isRunning || found.isStarting else { return }
        if grace > .zero, let shim {
            do throws(RuntimeError) {
                try await shim.signal(container, signal ?? found.record.stopSignal)
                if await waitForExit(container, timeout: grace) { return }
            } catch {
                services.logger.warning("could not send the stop signal to container \(container): \(error)")
            }
        }
        try await kill(container)
    }

    /// Ends a container for certain: by its shim and, if that does not help in time, by its cgroup.
    func kill(_ container: String) async throws(RuntimeError) {
        if let shim, (try? await shim.signal(container, SIGKILL)) != nil { // an error: the cgroup decides
            if await waitForExit(container, timeout: .seconds(5)) { return }
        }
        try services.step(.stopFailed, "kill the container's cgroup") { try cgroup(of: container).kill() }
        guard shim == nil, let record = containers[container]?.record else {
            if await waitForExit(container, timeout: .seconds(5)) { return }
            throw RuntimeError(.stopFailed, "container \(container) was killed, but its shim has not reported its exit for 5 seconds", step: "wait for the exit")
        }
        noteExit(container, lost(record))
    }

    /// Removes a container that does not run. Idempotent.
    func remove(_ container: String) async throws(RuntimeError) {
        guard let found = containers[container], !found.isRemoving else { return }
        guard !found.record.isRunning, !found.isStarting else {
            throw RuntimeError(.wrongState, "container \(container) cannot be removed: it is running")
        }
        containers[container]?.isRemoving = true
        do {
            if phase == .ready, let shim { try await shim.forget(container) }
            // The record first: without it, the next start takes back whatever is left.
            try Files.removeTree(directories.containerFile(id, container))
            try await services.cleaner.undo(ledger.outstanding.filter { $0.scope == .container(container) }, sandbox: id)
            try ledger.end(.container(container))
            try services.images.release(holder: container)
        } catch {
            containers[container]?.isRemoving = false
            throw services.fail(.removeFailed, "remove container \(container)", error)
        }
        containers[container] = nil
    }
}
