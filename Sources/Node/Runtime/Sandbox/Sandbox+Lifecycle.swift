import Cgroups
import CLinux
import Glibc
import Images
import LinuxSystem
import Logging
import ShimProtocol

extension Sandbox {
    /// Makes everything a pod has before its containers, in the order in which it is taken back the other way round.
    /// If a step fails, what was made is taken back, and the step is in the error.
    func run() async throws(RuntimeError) {
        do {
            try await make()
        } catch {
            phase = .failed
            shim?.close()
            shim = nil
            do { try await dismantle() } catch let second {
                services.logger.warning("sandbox \(id), which could not be made, is not gone completely: \(second)")
            }
            throw error
        }
    }

    private func make() async throws(RuntimeError) {
        let configuration = record.configuration
        let pod = directories.pod(id)
        try services.step(.sandboxFailed, "make the pod's directory") {
            try ledger.note(.directory, pod)
            try Files.makeDirectory(pod, mode: 0o700, exclusive: true)
            try Files.makeDirectory(directories.containerFiles(id), mode: 0o700)
        }
        let plan = try makeCgroups()
        try services.step(.sandboxFailed, "start the shim") {
            try ledger.note([(.shim, pod), (.mount, sharedMemory), (.mount, pod + "/ns")] + ["net", "ipc", "uts", "user"].map { (.pin, ShimLauncher.namespacePath($0, in: pod)) })
            try ShimLauncher.launch(program: services.shimProgram, directory: pod, plan: plan)
            shim = try ShimClient(podDirectory: pod, timeout: services.configuration.shimGreetingTimeout)
        }
        try await listen(after: 0)
        if !configuration.hostNetwork {
            record.addresses = try await services.step(.sandboxFailed, "connect the pod to the network") {
                try ledger.note(.network, network)
                return try await services.network.attach(sandbox: id, namespacePath: network)
            }
        }
        guard phase == .making else { throw RuntimeError(.sandboxFailed, record.failure, step: "start the shim") }
        record.state = .ready
        try services.step(.sandboxFailed, "write the sandbox's state") { try persistSandbox() }
        phase = .ready
    }

    private func makeCgroups() throws(RuntimeError) -> SandboxPlan {
        let configuration = record.configuration
        let root = services.configuration.cgroupRoot
        return try services.step(.sandboxFailed, "make the pod's cgroup") {
            try ledger.note(.cgroup, configuration.cgroupParent)
            try root.cgroup(configuration.cgroupParent).create(ResolvedContainer.cgroupResources(configuration.resources, devices: nil))
            var initial: CgroupPlaces?
            if configuration.shareProcessNamespace, !configuration.hostPID {
                // A leaf: on v2 a cgroup with children holds no processes itself.
                initial = CgroupPlaces(try root.cgroup(initCgroup).create(), root: root)
            }
            return try PlanBuilder.sandbox(record, shim: services.shimCgroup, initial: initial, host: services.host)
        }
    }

    /// Ends all containers, gives back the network and the namespaces. Idempotent; what could not be done is done by the next call.
    func stop() async throws(RuntimeError) {
        switch phase {
        case .stopped, .removed, .making, .detached: return
        case .ready, .stopping, .failed: break
        }
        phase = .stopping
        record.state = .notReady
        try services.step(.stopFailed, "write the sandbox's state") { try persistSandbox() }
        let running = containers.values.filter { $0.record.isRunning || $0.isStarting }.map(\.record.id)
        // All at once, then wait: the kernel takes as long for one as for many. An error shows when the container is waited for.
        if let shim { for container in running { try? await shim.signal(container, SIGKILL) } }
        for container in running { try await kill(container) }
        if let shim {
            try await shim.shutdown()
            // It ends right after its answer; one that does not is killed by its lock below.
            try services.step(.stopFailed, "wait for the end of the shim") { try shim.waitForEnd(milliseconds: 5000) }
            shim.close()
            self.shim = nil
        }
        await eventTask?.value
        eventTask = nil
        try services.step(.stopFailed, "end the shim") { try ShimLock.kill(podDirectory: directories.pod(id)) }
        if !record.configuration.hostNetwork {
            try await services.step(.stopFailed, "give back the pod's network") {
                try await services.network.detach(sandbox: id, namespacePath: network)
            }
        }
        try services.step(.stopFailed, "unpin the namespaces") {
            try ShimLauncher.cleanUp(directory: directories.pod(id))
            try HostCleaner.unmountAll(sharedMemory)
        }
        phase = .stopped
    }

    /// Removes every trace. The sandbox has been stopped.
    func remove() async throws(RuntimeError) {
        guard phase != .removed else { return }
        try await stop()
        try await dismantle()
    }

    /// Plays the ledger back.
    func dismantle() async throws(RuntimeError) {
        // First the record: without it, an agent that starts in the middle of this goes on with it.
        try services.step(.removeFailed, "remove the sandbox's state") { try Files.removeTree(directories.sandboxFile(id)) }
        try await services.step(.removeFailed, "remove the sandbox") {
            try await services.cleaner.undo(ledger.outstanding, sandbox: id)
            try ledger.remove()
            for container in containers.keys { try services.images.release(holder: container) }
        }
        if let start = record.userNamespaceStart { services.ranges.giveBack(start) }
        containers = [:]
        phase = .removed
    }
}
