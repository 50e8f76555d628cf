import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// A shim is alive while it holds the lock on its pod directory (flock on `shim.lock`); a pid is never trusted by itself.
enum ShimLock {
    static let name = ShimLauncher.lockName

    /// True if a shim holds the lock.
    static func isHeld(podDirectory: String) throws(SystemError) -> Bool {
        let file: FileDescriptor
        do throws(SystemError) {
            file = try openFile("\(podDirectory)/\(name)", [.readWrite, .noFollow])
        } catch {
            if error.errno == ENOENT { return false }
            throw error
        }
        // A lock of our own lasts until the descriptor is closed, a moment later.
        return try !file.tryLock()
    }

    /// Kills the shim that holds the lock and returns when the lock is free. Idempotent.
    static func kill(podDirectory: String) throws(SystemError) {
        let path = "\(podDirectory)/\(name)"
        let deadline = Clocks.monotonic() + 10_000_000_000
        var pause: UInt32 = 500
        while try isHeld(podDirectory: podDirectory) {
            if let pid = try holder(path), let pidfd = try? Processes.openPidfd(pid), try holder(path) == pid {
                // Seen as the holder before and after the pidfd was opened: it is that process and no other.
                do throws(SystemError) { try Processes.send(signal: SIGKILL, to: pidfd) } catch { if error.errno != ESRCH { throw error } }
            }
            guard Clocks.monotonic() < deadline else { throw SystemError(operation: "kill the shim", errno: ETIMEDOUT, path: path) }
            // The kernel has no event for a lock that is let go by a process that is not ours.
            usleep(pause)
            pause = min(pause * 2, 20_000)
        }
    }

    /// The process that holds the lock, from `/proc/locks` (`1: FLOCK  ADVISORY  WRITE 4711 00:2d:1234 0 EOF`).
    private static func holder(_ path: String) throws(SystemError) -> Int32? {
        let inode = String(try Files.status(path).inode)
        for line in try Files.readString("/proc/locks").split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count >= 6, words[1] == "FLOCK", let pid = Int32(words[4]), pid > 0 else { continue }
            let place = words[5].split(separator: ":")
            // The device is left out of the comparison (on btrfs and overlay it is not the one that stat shows); instead the
            // process must have this very file open.
            if place.count == 3, place[2] == inode, hasOpen(path, pid) { return pid }
        }
        return nil
    }

    private static func hasOpen(_ path: String, _ pid: Int32) -> Bool {
        let directory = "/proc/\(pid)/fd"
        // An error: the process is gone.
        return ((try? Files.list(directory)) ?? []).contains { (try? Files.readLink("\(directory)/\($0.name)")) == path }
    }
}
