import ArgumentParser
import Glibc
import LinuxSystem

/// Stops the agent of this run directory, and the control plane with it. Pods keep running.
struct Down: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Stop the agent and its control plane; pods keep running.")

    @OptionGroup var directories: Directories

    func run() throws {
        guard let pid = try PidFile.owner(directories.pidFile) else {
            FileOutput.standardOutput("swiftlet is not running with run directory \(directories.runDir)\n")
            return
        }
        let process = try Processes.openPidfd(pid)
        // The number may be somebody else's since it was read: only while the lock is held is it the agent's.
        guard try PidFile.owner(directories.pidFile) == pid else { return }
        try Processes.send(signal: SIGTERM, to: process)
        var poll = pollfd(fd: process.raw, events: Int16(POLLIN), revents: 0)
        guard Glibc.poll(&poll, 1, 60_000) == 1 else { throw Failure("the agent (pid \(pid)) did not end within 60 s of SIGTERM") }
    }
}
