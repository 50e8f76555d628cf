import LinuxSystem

/// The program `swiftlet-shim` on a read-only mount of its own, that nobody can get at by a path.
///
/// A container that gets hold of `/proc/<pid>/exe` of its parent, or is made to execute it, must not be able to write to the
/// host's binary (CVE-2019-5736). Unlike a sealed memfd the mount shares the page cache with all other shims; held by the agent,
/// it saves every shim from executing itself a second time.
public final class ShimProgram: Sendable {
    public let path: String
    let descriptor: FileDescriptor

    /// - Throws: ``ShimError`` if there is no such program.
    public init(_ path: String) throws(ShimError) {
        self.path = path
        do throws(SystemError) {
            descriptor = try Mounts.cloneTree(path)
            try Mounts.setAttributes(of: descriptor, set: [.readOnly, .noSetUID])
        } catch {
            throw ShimError(SystemError(operation: "find the shim's program", errno: error.errno, path: path))
        }
    }
}

/// Starts shims. A pod's directory (0700) holds `sandbox.plan`, `shim.lock`, `shim.sock`, `ns/` and exit records.
public enum ShimLauncher {
    public static let planName = "sandbox.plan"
    public static let lockName = "shim.lock"
    public static let socketName = "shim.sock"

    /// The path of a pinned namespace (`net`, `ipc`, `uts`, `user`) in a pod's directory.
    public static func namespacePath(_ kind: String, in directory: String) -> String { "\(directory)/ns/\(kind)" }

    /// Writes the plan and starts the shim, which detaches itself; returns when its namespaces exist and it listens.
    /// Blocks for some milliseconds: call it on a thread that may block.
    /// - Throws: ``ShimError`` with the failing step; nothing is left mounted then.
    public static func launch(program: ShimProgram, directory: String, plan: SandboxPlan) throws(ShimError) {
        do throws(SystemError) {
            try Files.writeAtomically(plan.bytes, to: "\(directory)/\(planName)", durable: false)
            let (read, write) = try Descriptors.pipe()
            let null = try openFile("/dev/null", .readWrite)
            // Descriptor 4 is the program itself, for the path to be found after everything else has been closed.
            let pid = try Processes.spawn(
                "/proc/self/fd/4", arguments: ["swiftlet-shim", "--dir", directory, "--ready-fd", "3", "--program-fd", "4"], environment: [],
                descriptors: [null.raw, null.raw, null.raw, write.raw, program.descriptor.raw], newSession: true)
            write.close()
            let report = try read.readAll(limit: 1 << 16)
            // What was spawned ends as soon as the detached shim has reported.
            let exit = try Processes.wait(.pid(pid), blocking: true)
            let reply: ShimReply
            do throws(WireError) { reply = try ShimReply(decoding: report) } catch { throw SystemError(operation: "shim report", errno: 71, path: directory) }
            if let failure = reply.failure { return try raise(failure) }
            if report.isEmpty || exit?.code != 0 { throw SystemError(operation: "shim start", errno: 71, path: program.path) }
        } catch {
            throw ShimError(error)
        }
    }

    private static func raise(_ failure: ShimFailure) throws(SystemError) {
        throw SystemError(operation: failure.step, errno: failure.errno, path: failure.path.isEmpty ? nil : failure.path)
    }

    /// True while a shim holds the lock of a pod's directory. A pid is never asked.
    public static func isAlive(directory: String) throws(ShimError) -> Bool {
        do throws(SystemError) {
            return try !openFile("\(directory)/\(lockName)", .readWrite).tryLock()
        } catch {
            if error.errno == 2 { return false }
            throw ShimError(error)
        }
    }

    /// Removes what a dead shim left in the kernel: its pinned namespaces. Idempotent.
    public static func cleanUp(directory: String) throws(ShimError) {
        do throws(SystemError) {
            // The mount that holds them goes first, and takes them along.
            for path in ["\(directory)/ns"] + ["net", "ipc", "uts", "user"].map({ namespacePath($0, in: directory) }) {
                do throws(SystemError) { try Mounts.unmount(path, detach: true) } catch {
                    if error.errno != 2, error.errno != 22 { throw error } // not there, not mounted
                }
            }
        } catch { throw ShimError(error) }
    }
}
