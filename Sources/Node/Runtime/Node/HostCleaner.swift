import Cgroups
import CLinux
import Glibc
import LinuxSystem
import Logging

/// Takes back what a ledger says is on the host. Every undo succeeds when the thing is not there.
struct HostCleaner: Sendable {
    let cgroupRoot: CgroupRoot
    let network: any SandboxNetwork
    let logger: Logger

    /// Undoes entries, the last first, after everything that runs has been killed: a mount or a namespace in use would not go.
    /// One failure does not keep the others from being undone; the first is thrown at the end, and the ledger keeps them all.
    func undo(_ entries: [LedgerEntry], sandbox: String) async throws {
        var first: (any Error)?
        func attempt(_ entry: LedgerEntry, _ body: () async throws -> Void) async {
            do {
                try await body()
            } catch {
                logger.warning("could not take back \(entry.kind.rawValue) \(entry.path) of sandbox \(sandbox): \(error)")
                if first == nil { first = error }
            }
        }
        for entry in entries where entry.kind == .shim { await attempt(entry) { try ShimLock.kill(podDirectory: entry.path) } }
        for entry in entries where entry.kind == .cgroup {
            await attempt(entry) {
                let cgroup = try cgroupRoot.cgroup(entry.path)
                // What is empty goes at once: nearly always, and without a look into every hierarchy.
                if try !cgroup.removeIfEmpty() { try cgroup.kill() }
            }
        }
        for entry in entries.reversed() {
            await attempt(entry) { try await undo(entry, sandbox: sandbox) }
        }
        if let first { throw first }
    }

    private func undo(_ entry: LedgerEntry, sandbox: String) async throws {
        switch entry.kind {
        case .directory: try Files.removeTree(entry.path)
        case .mount: try Self.unmountAll(entry.path)
        case .pin:
            try Self.unmountAll(entry.path)
            do throws(SystemError) { try Files.remove(entry.path) } catch { if error.errno != ENOENT { throw error } }
        case .cgroup: try cgroupRoot.cgroup(entry.path).remove()
        case .network: try await network.detach(sandbox: sandbox, namespacePath: entry.path)
        case .shim: break // killed above
        }
    }

    /// Detaches every mount on a path: a deed that was done twice must be undone twice.
    static func unmountAll(_ path: String) throws(SystemError) {
        while true {
            do throws(SystemError) {
                try Mounts.unmount(path, detach: true)
            } catch {
                // EINVAL: not (or no longer) a mount point.
                if error.errno == EINVAL || error.errno == ENOENT { return }
                throw error
            }
        }
    }
}
