import Cgroups
import Images
import JSONTree
import LinuxSystem

/// `swiftlet-bench IMAGE.tar [--runs N] [--json] [--only TEXT]`: runs `/bin/true` in all namespaces with cgroup limits and seccomp, beside
/// crun and runc, in turns, and prints medians. As root, in a mount namespace of its own (crun 1.8 does not work where a v2
/// hierarchy is mounted beside v1).
@main
struct Main {
    static func main() async {
        do {
            try await measure(Options(CommandLine.arguments))
        } catch {
            try? FileDescriptor(owning: 2).writeAll(Array("swiftlet-bench: \(error)\n".utf8)) // nobody is left to tell
            Processes.exitNow(1)
        }
    }

    private static func measure(_ options: Options) async throws {
        let own = try Files.readLink("/proc/self/exe")
        let shim = String(own.prefix(upTo: own.lastIndex(of: "/") ?? own.startIndex)) + "/swiftlet-shim"
        let base = "/tmp/swiftlet-bench-\(UInt32.random(in: 0 ... .max))"
        let node = try await BenchmarkNode(base: base, image: options.image, shim: shim)
        var contestants: [any Contestant] = [SwiftletPod(node: node), SwiftletContainer(node: node)]
        for (name, program) in [("crun", "/usr/bin/crun"), ("runc", "/usr/sbin/runc")] where Files.exists(program) {
            // Its overlay would be made by whoever calls it; a plain directory is in its favour.
            guard let layer = node.image.layerDirectories.last else { continue }
            let bundle = "\(base)/bundle-\(name)"
            // Apart from the node's own: it is swept away by whoever made it.
            let parent = "\(node.cgroupRoot.prefix)-\(name)"
            try Bundle.write(to: bundle, rootFilesystem: "\(node.images.layersDirectory)/\(layer)", cgroup: "/\(parent)/container")
            contestants.append(CommandLineRuntime(name: name, program: program, bundle: bundle, cgroupParent: parent))
        }
        contestants = contestants.filter { options.only.isEmpty || $0.name.contains(options.only) }
        var times: [String: [Double]] = [:]
        for turn in 0..<(options.runs + 3) {
            for index in contestants.indices {
                let start = Clocks.monotonic()
                try await contestants[index].run()
                // The first turns warm the caches of everybody.
                if turn >= 3 { times[contestants[index].name, default: []].append(Double(Clocks.monotonic() - start) / 1e6) }
            }
        }
        for index in contestants.indices { try await contestants[index].end() }
        try await node.end()
        report(contestants.map(\.name), times, options)
    }

    private static func report(_ names: [String], _ times: [String: [Double]], _ options: Options) {
        func quantile(_ name: String, _ part: Double) -> Double {
            let sorted = (times[name] ?? []).sorted()
            return sorted.isEmpty ? .nan : sorted[min(sorted.count - 1, Int(Double(sorted.count) * part))]
        }
        func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
        if options.json {
            var object = JSONObject()
            for name in names { object["run /bin/true, \(name), ms"] = JSON(rounded(quantile(name, 0.5))) }
            print(JSON.object(object))
            return
        }
        print("run /bin/true in all namespaces with cgroup limits and seccomp, \(options.runs) turns")
        for name in names {
            var line = "  \(name): median \(rounded(quantile(name, 0.5))) ms, best \(rounded(quantile(name, 0))) ms, p90 \(rounded(quantile(name, 0.9))) ms"
            for peer in names where peer != name && !peer.hasPrefix("swiftlet") && name.hasPrefix("swiftlet") {
                line += ", \(rounded(quantile(name, 0.5) / quantile(peer, 0.5))) of \(peer)"
            }
            print(line)
        }
    }
}

struct Options {
    var image = ""
    var runs = 50
    var json = false
    /// Measures only contestants whose name contains this: for profiling.
    var only = ""

    init(_ arguments: [String]) throws {
        var rest = arguments.dropFirst()
        while let argument = rest.popFirst() {
            switch argument {
            case "--runs":
                guard let number = rest.popFirst().flatMap({ Int($0) }), number > 0 else { throw BenchmarkError("--runs: expected a number above 0") }
                runs = number
            case "--only": only = rest.popFirst() ?? ""
            case "--json": json = true
            default: image = argument
            }
        }
        guard !image.isEmpty else { throw BenchmarkError("usage: swiftlet-bench IMAGE.tar [--runs N] [--only NAME] [--json]") }
    }
}
