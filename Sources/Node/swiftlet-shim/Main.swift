import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// `swiftlet-shim --dir DIRECTORY [--ready-fd N] [--program-fd N]`: parent of one pod's containers. Outlives the agent.
/// ``ShimLauncher`` starts it from a read-only mount; an agent of an earlier release by its path.
@main
struct Main {
    static func main() {
        guard let options = Options(CommandLine.arguments) else {
            let usage = "usage: swiftlet-shim --dir DIRECTORY [--ready-fd N] [--program-fd N]\n"
            try? FileDescriptor(owning: 2).writeAll(Array(usage.utf8)) // nobody is left to tell if stderr is closed
            exit(64)
        }
        let ready = options.readyDescriptor.map { FileDescriptor(owning: $0) }
        do throws(SystemError) {
            guard let program = options.programDescriptor else { try OwnProgram.executeReadOnly(ready) }
            FileDescriptor(owning: program).close()
            let directory = try openFile(options.directory, [.readOnly, .directory])
            let plan = try Shim.plan(in: directory)
            let cgroups = CgroupMembership(plan.shimCgroups, birth: plan.shimBirthCgroup)
            let birth = try cgroups.openBirth()
            // The launcher waits for this process alone: the shim proper belongs to nobody.
            guard try Processes.fork(cgroup: birth) == nil else { exit(0) }
            birth?.close()
            try cgroups.join()
            let shim = try Shim(plan, directory: directory, path: options.directory)
            try report(ShimReply(), to: ready)
            try shim.run()
            exit(0)
        } catch {
            try? report(ShimReply(0, failure: ShimFailure(error)), to: ready) // the launcher is gone: nobody to tell
            exit(1)
        }
    }

    private static func report(_ reply: ShimReply, to ready: FileDescriptor?) throws(SystemError) {
        guard let ready else { return }
        // Never empty: an empty report means that the shim died before it could say why.
        var reply = reply
        reply.pid = getpid()
        do throws(SystemError) { try ready.writeAll(reply.bytes) } catch { if error.errno != EPIPE { throw error } }
        ready.close()
    }
}

struct Options {
    var directory = ""
    var readyDescriptor: Int32?
    /// What it was executed from; closed at once.
    var programDescriptor: Int32?

    init?(_ arguments: [String]) {
        var rest = arguments.dropFirst()
        while let argument = rest.popFirst() {
            switch argument {
            case "--dir":
                guard let value = rest.popFirst() else { return nil }
                directory = value
            case "--ready-fd", "--program-fd":
                guard let value = rest.popFirst().flatMap({ Int32($0) }), value >= 3 else { return nil }
                if argument == "--ready-fd" { readyDescriptor = value } else { programDescriptor = value }
            default: return nil
            }
        }
        if directory.isEmpty || !directory.hasPrefix("/") { return nil }
    }
}

/// An agent that was running when this program was installed starts it by its path, without `--program-fd`: it executes itself
/// again from a read-only clone of its own mount (CVE-2019-5736; see ``ShimProgram``).
enum OwnProgram {
    static func executeReadOnly(_ ready: FileDescriptor?) throws(SystemError) -> Never {
        let clone = try Mounts.cloneTree("/proc/self/exe")
        try Mounts.setAttributes(of: clone, set: [.readOnly, .noSetUID])
        for kept in [ready, clone].compactMap({ $0 }) { try kept.duplicate(to: kept.raw) } // not closed by the execution
        let result = withCStringArray(CommandLine.arguments + ["--program-fd", "\(clone.raw)"]) { argv in
            withCStringArray([]) { envp in
                "".withCString { rawCall(Int32(SYS_execveat), Int(clone.raw), $0.argument, argv.argument, envp.argument, 0x1000) } // AT_EMPTY_PATH
            }
        }
        throw SystemError(operation: "execveat read-only clone", errno: Int32(-result), path: nil)
    }
}
