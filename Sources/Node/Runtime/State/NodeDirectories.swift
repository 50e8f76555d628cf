import Glibc
import LinuxSystem

/// Where the runtime keeps what. Everything under the run directory is gone after a reboot, as is what it speaks of.
///
///     <run-dir>/pods/<sandbox id>/
///         sandbox.json                the sandbox, once it is made completely
///         containers/<id>.json        its containers, each once it is made completely
///         containers/<id>.plan        their launch plans
///         plan, shim.sock, shim.lock, exits/…   the shim's (see ShimProtocol)
///         ns/net, ns/ipc, …           pinned namespaces
///     <data-dir>/containers/<id>/     upper and work directory of the root file system
///     <data-dir>/ledger/<sandbox id>  what must not outlive the sandbox
struct NodeDirectories: Sendable {
    let data: String
    let run: String

    init(data: String, run: String) {
        self.data = data
        self.run = run
    }

    var pods: String { run + "/pods" }
    var ledgers: String { data + "/ledger" }
    var containers: String { data + "/containers" }

    func pod(_ sandbox: String) -> String { "\(pods)/\(sandbox)" }
    func sandboxFile(_ sandbox: String) -> String { pod(sandbox) + "/sandbox.json" }
    func containerFiles(_ sandbox: String) -> String { pod(sandbox) + "/containers" }
    func containerFile(_ sandbox: String, _ container: String) -> String { "\(containerFiles(sandbox))/\(container).json" }
    func planFile(_ sandbox: String, _ container: String) -> String { "\(containerFiles(sandbox))/\(container).plan" }
    func root(_ container: String) -> String { "\(containers)/\(container)" }
    func ledger(_ sandbox: String) -> String { "\(ledgers)/\(sandbox)" }

    /// Makes what every sandbox needs; readable by root alone (the shared memory and logs of pods are below).
    func prepare() throws(SystemError) {
        for directory in [pods, ledgers, containers] { try Files.makeDirectories(directory, mode: 0o700) }
        for directory in [data, run] { try Files.setMode(0o711, of: directory) }
    }

    /// Names of the files in a directory without unfinished temporary ones; nothing there is an empty list.
    static func names(in directory: String) throws(SystemError) -> [String] {
        do throws(SystemError) {
            return try Files.list(directory).map(\.name).filter { !$0.hasSuffix(".tmp") }.sorted()
        } catch {
            if error.errno == ENOENT { return [] }
            throw error
        }
    }
}
