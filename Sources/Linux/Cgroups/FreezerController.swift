internal import Glibc
internal import LinuxSystem

/// Stops every process of a cgroup and its children where it is (v1 freezer.state, v2 cgroup.freeze).
enum FreezerController {
    static func set(frozen: Bool, in directory: String, _ version: CgroupRoot.Version, until end: Deadline) throws(CgroupError) {
        do throws(SystemError) {
            switch version {
            case .v1:
                try setV1(frozen, directory, until: end)
            case .v2:
                try ControlFile.write(frozen ? "1" : "0", to: directory + "/cgroup.freeze")
                guard try Self.wait(for: "frozen", frozen ? 1 : 0, in: directory, until: end) else {
                    throw SystemError(operation: "freeze", errno: ETIMEDOUT, path: directory)
                }
            }
        } catch {
            guard error.errno == ETIMEDOUT else { throw CgroupError(error) }
            throw CgroupError(.timedOut, "expected \(directory) to be \(frozen ? "frozen" : "thawed"), found processes that are not", cause: error)
        }
    }

    /// v1 has no event: a reader is told FREEZING until every task has stopped, and writing again helps tasks that forked.
    private static func setV1(_ frozen: Bool, _ directory: String, until end: Deadline) throws(SystemError) {
        let file = directory + "/freezer.state"
        let wanted = frozen ? "FROZEN" : "THAWED"
        var pause: UInt32 = 50
        while true {
            try ControlFile.write(wanted, to: file)
            if try ControlFile.read(file) == wanted { return }
            guard !end.hasPassed else { throw SystemError(operation: "freeze", errno: ETIMEDOUT, path: directory) }
            usleep(pause)
            pause = min(pause * 2, 10_000)
        }
    }

    /// v2: waits until a key of cgroup.events has the value; the kernel signals every change of that file.
    /// - Returns: false if it did not come in time.
    static func wait(for key: String, _ value: UInt64, in directory: String, until end: Deadline) throws(SystemError) -> Bool {
        let file: FileDescriptor
        do throws(SystemError) {
            file = try openFile(directory + "/cgroup.events")
        } catch {
            // The cgroup is gone, and everything in it.
            guard error.errno == ENOENT else { throw error }
            return true
        }
        let poller = try Poller()
        try poller.add(file, .urgent, token: 0)
        while true {
            // Read after arming: a change in between is an event then.
            if try ControlFile.table(directory + "/cgroup.events")[key] ?? value == value { return true }
            guard !end.hasPassed else { return false }
            _ = try poller.wait(milliseconds: end.millisecondsLeft)
            var buffer: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
            // Reading at the start of the file acknowledges the event.
            try withUnsafeMutableBytes(of: &buffer) { (bytes) throws(SystemError) in
                _ = try systemCall("pread") { Glibc.pread(file.raw, bytes.baseAddress, bytes.count, 0) < 0 ? -Int(errno == ENODEV ? 0 : errno) : 0 }
            }
        }
    }
}
