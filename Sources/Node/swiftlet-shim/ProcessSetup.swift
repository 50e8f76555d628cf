import CLinux
import Glibc
import LinuxSystem
import ShimProtocol

/// The last steps before execve, for a container's first process and for an exec alike.
struct ProcessSetup {
    let plan: ProcessPlan
    var terminal: Terminal?

    init(plan: ProcessPlan) { self.plan = plan }

    func startSession() throws(SystemError) {
        _ = try systemCall("setsid") { rawCall(Int32(SYS_setsid)) }
        guard let terminal else { return }
        try terminal.control()
        if plan.columns > 0, plan.rows > 0 { try terminal.slave.setWindowSize(columns: plan.columns, rows: plan.rows) }
    }

    /// Takes on the plan's credentials and executes. Returns only by throwing.
    ///
    /// Order: limits and bounding set while still privileged; ids with the permitted set kept; the working directory
    /// with the container's own rights; seccomp as late as it can be: without no_new_privs it needs CAP_SYS_ADMIN, which
    /// is therefore given up after it.
    func execute(stdio: [FileDescriptor], channel: ChildChannel) throws(SystemError) {
        let wanted = plan.capabilities
        let seccompNeedsPrivilege = !plan.seccomp.isEmpty && !plan.noNewPrivileges
        _ = rawCall(Int32(SYS_umask), Int(plan.umask & 0o7777))
        let standard = terminal.map { [$0.slave, $0.slave, $0.slave] } ?? stdio
        for (number, file) in standard.enumerated() { try file.duplicate(to: Int32(number)) }
        for limit in plan.limits { try Credentials.setLimit(resource: limit.resource, soft: limit.soft, hard: limit.hard) }
        try Credentials.limitBounding(to: wanted.bounding)
        try Credentials.setKeepCapabilities(true)
        try Credentials.set(uid: plan.uid, gid: plan.gid, groups: plan.groups)
        try Credentials.setKeepCapabilities(false)
        // setresuid made the process dumpable again if it changed the ids.
        try Credentials.setDumpable(false)

        let administrator: UInt64 = seccompNeedsPrivilege ? 1 << 21 : 0
        try Credentials.set(effective: wanted.effective | administrator, permitted: wanted.permitted | administrator, inheritable: wanted.inheritable)
        try enterWorkingDirectory()
        try Signals.setMask(0) // no signal is ignored: the shim blocks them
        try ChildDescriptors.closeOnExec()
        if seccompNeedsPrivilege {
            try Credentials.setSeccomp(program: plan.seccomp)
            try Credentials.set(effective: wanted.effective, permitted: wanted.permitted, inheritable: wanted.inheritable)
        }
        if wanted.ambient != 0 { try Credentials.setAmbient(wanted.ambient) }
        channel.send(.executing)
        if plan.noNewPrivileges {
            try Credentials.setNoNewPrivileges()
            if !plan.seccomp.isEmpty { try Credentials.setSeccomp(program: plan.seccomp) }
        }
        try executeProgram()
    }

    /// A working directory outside the root would be a way to the host (CVE-2024-21626).
    private func enterWorkingDirectory() throws(SystemError) {
        let path = plan.workingDirectory.isEmpty ? "/" : plan.workingDirectory
        try Mounts.changeDirectory(to: path)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)
        defer { buffer.deallocate() }
        _ = try systemCall("getcwd", path: path) { rawCall(Int32(SYS_getcwd), Int(bitPattern: buffer.baseAddress), buffer.count) }
        // The kernel writes "(unreachable)/…" for a place outside the root.
        guard buffer[0] == UInt8(ascii: "/") else { throw SystemError(operation: "verify working directory", errno: ENOENT, path: path) }
    }

    /// execvp's rules with the container's PATH: EACCES is remembered, what is not there is skipped.
    private func executeProgram() throws(SystemError) {
        guard let program = plan.arguments.first, !program.isEmpty else { throw SystemError(operation: "execve", errno: ENOENT, path: "") }
        var candidates = [program]
        if !program.contains("/") {
            let path = plan.environment.last { $0.hasPrefix("PATH=") }.map { $0.dropFirst(5) } ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
            // An empty entry would be the working directory: not in a container.
            candidates = path.split(separator: ":").map { "\($0)/\(program)" }
        }
        let code = withCStringArray(plan.arguments) { argv in
            withCStringArray(plan.environment) { envp in
                var code = -Int(ENOENT)
                for candidate in candidates {
                    let result = candidate.withCString { rawCall(Int32(SYS_execve), $0.argument, argv.argument, envp.argument) }
                    if result == -Int(EACCES) { code = result }
                    if result != -Int(EACCES), result != -Int(ENOENT), result != -Int(ENOTDIR) { return result }
                }
                return code
            }
        }
        throw SystemError(operation: "execve", errno: Int32(-code), path: program)
    }
}
