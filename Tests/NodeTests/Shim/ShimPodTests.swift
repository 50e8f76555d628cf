import Glibc
import LinuxSystem
import Netlink
import ShimProtocol
import Testing

/// Pods with a user namespace or one PID namespace for all.
@Suite(.privileged, .serialized) struct ShimPodTests {
    static func userNamespace(_ plan: inout SandboxPlan) {
        plan.uidMap = [IDMapping(container: 0, host: 200_000, count: 65536)]
        plan.gidMap = [IDMapping(container: 0, host: 300_000, count: 65536)]
    }

    @Test func aUserNamespaceMapsRootToNobody() throws {
        let node = try ShimHarness { Self.userNamespace(&$0) }
        // A fact a line, each with its name: what a kernel does otherwise must be seen at once.
        let output = try node.shell("user", """
            echo user $(id -u); echo map $(cat /proc/self/uid_map); echo owners $(stat -c %u /etc/passwd /bin/busybox); touch /new && echo wrote
            echo host $(hostname); test -c /dev/null && echo null > /dev/null && echo device
            (echo 1 > /proc/sys/net/ipv4/ip_forward) || echo read-only; mount -t tmpfs x /tmp || echo refused
            for link in /sys/class/net/*; do echo link ${link##*/}; done
            """)
        let (lines, errors) = (output.split(separator: "\n").map(String.init), try node.output("user", stream: "stderr"))
        #expect(lines.filter { !$0.hasPrefix("link ") } == [
            "user 0", "map 0 200000 65536", "owners 0 0", "wrote", "host podhost", "device", "read-only", "refused",
        ], "\(output)\(errors)")
        // Beside lo, kernels with tunnels built in give every network namespace tunl0, sit0 and so on: its own, not the host's.
        let links = lines.filter { $0.hasPrefix("link ") }.map { String($0.dropFirst(5)) }
        let namespace = try NetworkNamespace()
        let new = try RouteSocket(inside: namespace.path).links().map(\.name)
        #expect(links.contains("lo") && links.sorted() == new.sorted(), "expected the links of any new network namespace, \(new), found \(links)")
        let file = try Files.status("\(node.path)/user/upper/new")
        #expect(file.uid == 0 && file.gid == 0, "the id mapping of the mount gives the file back to the host's root")
        let pid = try node.start(node.plan("sleep", ["sleep", "1000"]))
        let status = try Files.readString("/proc/\(pid)/status")
        #expect(status.contains("Uid:\t200000\t200000\t200000\t200000") && status.contains("Gid:\t300000"))
    }

    @Test func aUserNamespacePodRunsCommandsAndTerminals() throws {
        let node = try ShimHarness { Self.userNamespace(&$0) }
        try node.start(node.plan("main", ["sleep", "1000"]))
        var exec = ExecPlan()
        (exec.container, exec.id) = ("main", 1)
        exec.process = node.plan("main", ["sh", "-c", "tty; id -u; grep CapEff /proc/self/status | tr -d '\\t'"]).process
        exec.process.terminal = true
        let answer = try node.connection.call(.exec(exec))
        var text = ""
        var buffer = [UInt8](repeating: 0, count: 1024)
        while let count = try? buffer.withUnsafeMutableBytes({ try answer.descriptors[0].read(into: $0) }), count > 0 { // EIO: everybody has left
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
        #expect(text == "/dev/pts/0\r\n0\r\nCapEff:00000000a80425fb\r\n")
        #expect(try node.inbox.exit(ofExec: 1).code == 0)
        var terminal = node.plan("tty", ["sh", "-c", "tty; echo fine > /dev/console"])
        terminal.process.terminal = true
        #expect(try node.run(terminal).code == 0)
        let log = try node.output("tty")
        #expect(log == "/dev/pts/0\r\nfine\r\n")
    }

    @Test func volumesOfAUserNamespacePodAreMapped() throws {
        let node = try ShimHarness { Self.userNamespace(&$0) }
        try Files.makeDirectory("\(node.path)/volume")
        _ = try node.shell("map", "touch /data/file; stat -c %u /data/file") { plan in
            var mount = MountPlan(.bind, target: "/data", source: "\(node.path)/volume")
            mount.idMapped = true
            plan.mounts.append(mount)
        }
        #expect(try node.output("map") == "0\n")
        #expect(try Files.status("\(node.path)/volume/file").uid == 0)
    }

    @Test func aSharedPIDNamespaceHasAHarmlessInit() throws {
        let node = try ShimHarness { $0.sharedPID = true }
        #expect(node.connection.hello.initPID > 0)
        var first = node.plan("first", ["sleep", "1000"])
        first.pidNamespace = .pod
        try node.start(first)
        let output = try node.shell("second", """
            cat /proc/1/comm; for d in /proc/[0-9]*; do cat $d/comm; done | sort | tr '\\n' ' '; grep -E 'CapEff|CapBnd' /proc/1/status | tr -d '\\t'
            ls /proc/1/root/ 2>&1 | wc -l; readlink /proc/1/exe; (sleep 0.1 & ) ; echo end
            """) { $0.pidNamespace = .pod }
        #expect(output.hasPrefix("pause\n"))
        #expect(output.contains("pause") && output.contains("sleep") && output.contains("CapEff:0000000000000000\nCapBnd:0000000000000000\n"))
        #expect(!output.contains("swiftlet") && output.hasSuffix("end\n"))
        try Processes.send(signal: SIGKILL, to: Processes.openPidfd(node.connection.hello.initPID))
        _ = try node.inbox.wait { $0.kind == .initExited }
        #expect(try node.inbox.exit(of: "first").signal == 9)
    }

    @Test func sysctlsAreSetInThePodAlone() throws {
        let host = try Files.readString("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        let node = try ShimHarness { $0.sysctls = [KeyValue("net.ipv4.ip_unprivileged_port_start", "123"), KeyValue("kernel.msgmax", "5000")] }
        #expect(try node.shell("a", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax") == "123\n5000\n")
        #expect(try Files.readString("/proc/sys/net/ipv4/ip_unprivileged_port_start") == host)
        let error = #expect(throws: ShimError.self) { try ShimHarness { $0.sysctls = [KeyValue("vm.swappiness", "1")] } }
        #expect(error?.message.contains("vm.swappiness is not namespaced") == true)
        let left = try Files.list("/tmp").map(\.name).filter { $0.hasPrefix("shim-\(getpid())-") }
        #expect(left == [String(node.path.dropFirst("/tmp/".count))], "a launch that fails leaves nothing")
    }

    @Test func hostNamespacesAreKept() throws {
        let node = try ShimHarness { ($0.newNetwork, $0.newIPC, $0.newUTS, $0.sharedMemorySize) = (false, false, false, 0) }
        var plan = node.plan("host", ["sh", "-c", "for n in net ipc uts pid; do readlink /proc/self/ns/$n; done"])
        plan.pidNamespace = .host
        plan.mounts.removeAll { $0.kind == .sharedMemory }
        _ = try node.run(plan)
        let host = try ["net", "ipc", "uts", "pid"].map { try Files.readLink("/proc/self/ns/\($0)") }
        #expect(try node.output("host").split(separator: "\n").map(String.init) == host)
    }

    @Test func anUnreadablePlanIsRefused() throws {
        let path = "/tmp/shim-plan-\(UInt64.random(in: 0 ... .max))"
        try Files.makeDirectory(path)
        defer { try? Files.removeTree(path) }
        var plan = SandboxPlan()
        plan.joinNetwork = "/etc/passwd"
        let error = #expect(throws: ShimError.self) { try ShimLauncher.launch(program: ShimProgram(ShimHarness.program), directory: path, plan: plan) }
        #expect(error?.cause == SystemError(operation: "open namespace", errno: EINVAL, path: "/etc/passwd"))
        #expect(try !ShimLauncher.isAlive(directory: path))
    }
}
