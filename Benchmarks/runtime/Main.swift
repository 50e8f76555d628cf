import JSONTree
import LinuxSystem

/// `swiftlet-bench IMAGE.tar [--runs N] [--json] [--only TEXT]`: runs `/bin/true` in all namespaces with cgroup limits and
/// seccomp, beside crun and runc, in turns, and prints medians of the time by the clock and means of the CPU time. As root.
@main
struct Main {
    static func main() async {
        do {
            let options = try Options(CommandLine.arguments)
            if options.base.isEmpty {
                try Supervisor(options).run()
            } else {
                try await measure(options)
            }
        } catch {
            try? FileDescriptor(owning: 2).writeAll(Array("swiftlet-bench: \(error)\n".utf8)) // nobody is left to tell
            Processes.exitNow(1)
        }
    }

    /// In a process, cgroup and directory that the supervisor cleans up after.
    private static func measure(_ options: Options) async throws {
        let meter = try CPUMeter(prefix: options.prefix)
        let node = try await BenchmarkNode(base: options.base, prefix: options.prefix, image: options.image, shim: Options.program(beside: "swiftlet-shim"))
        var contestants: [any Contestant] = [SwiftletPod(node: node), SwiftletContainer(node: node)]
        let peers = try PeerNamespace()
        for (name, program) in [("crun", "/usr/bin/crun"), ("runc", "/usr/sbin/runc")] where Files.exists(program) {
            contestants.append(try CommandLineRuntime(name: name, program: program, node: node, namespace: peers))
        }
        contestants = contestants.filter { options.only.isEmpty || $0.name.contains(options.only) }
        var report = Report(runs: options.runs, names: contestants.map(\.name))
        for turn in 0..<(options.runs + 3) {
            for index in contestants.indices {
                let before = try meter.nanoseconds()
                let elapsed = try await contestants[index].run()
                let used = try meter.nanoseconds() - before
                // The first turns warm the caches of everybody.
                if turn >= 3 { report.add(contestants[index].name, elapsed: elapsed, cpu: Int64(used)) }
            }
        }
        for index in contestants.indices { try await contestants[index].end() }
        try await node.end()
        print(options.json ? String(decoding: report.json.bytes(), as: UTF8.self) : report.text)
    }
}

struct Options {
    var image = ""
    var runs = 50
    var json = false
    /// Measures only contestants whose name contains this: for profiling.
    var only = ""
    /// Set by the supervisor: the directory of this run.
    var base = ""

    /// The sub-path of this run's cgroups: the directory's name.
    var prefix: String { String(base.split(separator: "/").last ?? "") }

    init(_ arguments: [String]) throws {
        var rest = arguments.dropFirst()
        while let argument = rest.popFirst() {
            switch argument {
            case "--runs":
                guard let number = rest.popFirst().flatMap({ Int($0) }), number > 0 else { throw BenchmarkError("--runs: expected a number above 0") }
                runs = number
            case "--only": only = rest.popFirst() ?? ""
            case "--base": base = rest.popFirst() ?? ""
            case "--json": json = true
            default: image = argument
            }
        }
        guard !image.isEmpty else { throw BenchmarkError("usage: swiftlet-bench IMAGE.tar [--runs N] [--only NAME] [--json]") }
    }

    /// The path of a program of the same build; empty for this one itself.
    static func program(beside name: String) throws -> String {
        let own = try Files.readLink("/proc/self/exe")
        return name.isEmpty ? own : String(own.prefix(upTo: own.lastIndex(of: "/") ?? own.startIndex)) + "/" + name
    }
}
