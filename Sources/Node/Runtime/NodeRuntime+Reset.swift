import BlockingCalls
import Cgroups
import LinuxSystem
public import Logging

extension NodeRuntime {
    /// Plays every ledger back, whoever wrote it and at whatever step it died: kills the pods and leaves no mount, cgroup,
    /// namespace or directory of theirs. No agent may run meanwhile. Images stay.
    /// - Throws: the first failure, after everything else has been tried; calling again goes on.
    public static func reset(configuration: RuntimeConfiguration, network: any SandboxNetwork, logger: Logger) async throws {
        try await withTaskExecutorPreference(BlockingThreads()) {
            try await resetBlocking(configuration, network, logger)
        }
    }

    private static func resetBlocking(_ configuration: RuntimeConfiguration, _ network: any SandboxNetwork, _ logger: Logger) async throws {
        let directories = configuration.directories
        let cleaner = HostCleaner(cgroupRoot: configuration.cgroupRoot, network: network, logger: logger)
        var first: (any Error)?
        let ids = Set(try NodeDirectories.names(in: directories.ledgers)).union(try NodeDirectories.names(in: directories.pods))
        for id in ids.sorted() {
            do {
                try Files.makeDirectories(directories.ledgers, mode: 0o700)
                let ledger = try Ledger(path: directories.ledger(id))
                let pod = LedgerEntry(scope: .sandbox, kind: .directory, path: directories.pod(id))
                try await cleaner.undo(ledger.outstanding.contains(pod) ? ledger.outstanding : [pod] + ledger.outstanding, sandbox: id)
                try ledger.remove()
            } catch {
                logger.error("could not take back sandbox \(id): \(error)")
                if first == nil { first = error }
            }
        }
        if let first { throw first }
        for path in [configuration.podCgroup, configuration.shimCgroup] {
            let cgroup = try configuration.cgroupRoot.cgroup(path)
            try cgroup.kill()
            try cgroup.remove()
        }
        // The node's own top, unless it is the top of the host's, or a slice: that is systemd's to make and to remove.
        let top = configuration.cgroupRoot.prefix
        if !top.isEmpty, !top.hasSuffix(".slice") { try configuration.cgroupRoot.cgroup("").remove() }
        for directory in [directories.pods, directories.ledgers, directories.containers] { try Files.removeTree(directory) }
    }
}
