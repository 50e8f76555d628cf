import BlockingCalls
import LinuxSystem
import Logging

/// Keeps the control plane running as a child without root.
///
/// The child's stdin is a pipe that only this process holds: when the agent dies, however it dies, the pipe ends and
/// the child shuts down, so that the next agent finds the port free. Its stdout says `ready` once it serves.
struct ControlPlaneChild {
    var program: String
    var arguments: [String]
    var logger: Logger

    /// Runs until cancelled; starts the child again when it ends, waiting 1 s up to 30 s between tries.
    /// - Parameter onReady: called each time it serves.
    /// - Throws: `Failure` if it never came up.
    func run(onReady: @Sendable () async -> Void) async throws {
        var wait = Duration.seconds(1)
        var served = false
        while !Task.isCancelled {
            let (stdin, notify, pidfd) = try start()
            // An unreadable pipe says what an empty one says: it does not serve.
            let ready = try await OwnThread.run("control-plane") { (try? notify.readAll(limit: 64)) ?? [] }
            if ready == Array("ready\n".utf8) {
                (served, wait) = (true, .seconds(1))
                await onReady()
            }
            let ended = try await withTaskCancellationHandler {
                try await OwnThread.run("control-plane") { try? Processes.wait(pidfd: pidfd, blocking: true) }
            } onCancel: {
                stdin.close()
            }
            stdin.close()
            if Task.isCancelled { return }
            guard served else { throw Failure("the control plane did not start (exit code \(ended.map { "\($0.code)" } ?? "unknown"))") }
            logger.error("the control plane ended with code \(ended?.code ?? -1), starting it again")
            try await Task.sleep(for: wait)
            wait = min(wait * 2, .seconds(30))
        }
    }

    private func start() throws -> (stdin: FileDescriptor, notify: FileDescriptor, pidfd: FileDescriptor) {
        let stdin = try Descriptors.pipe()
        let notify = try Descriptors.pipe()
        let environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        let pid = try Processes.spawn(program, arguments: [program] + arguments, environment: environment,
                                      descriptors: [stdin.read.raw, notify.write.raw, 2])
        stdin.read.close()
        notify.write.close()
        return (stdin.write, notify.read, try Processes.openPidfd(pid))
    }
}
