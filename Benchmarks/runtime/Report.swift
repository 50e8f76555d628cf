import JSONTree

/// What was measured, and how it compares.
struct Report {
    private let runs: Int
    private let names: [String]
    /// Nanoseconds.
    private var elapsed: [String: [Int64]] = [:]
    private var cpu: [String: Int64] = [:]

    init(runs: Int, names: [String]) { (self.runs, self.names) = (runs, names) }

    mutating func add(_ name: String, elapsed time: Int64, cpu used: Int64) {
        elapsed[name, default: []].append(time)
        cpu[name, default: 0] += used
    }

    /// Milliseconds.
    private func quantile(_ name: String, _ part: Double) -> Double {
        let sorted = (elapsed[name] ?? []).sorted()
        return sorted.isEmpty ? .nan : Double(sorted[min(sorted.count - 1, Int(Double(sorted.count) * part))]) / 1e6
    }

    /// Milliseconds of CPU time a run.
    private func meanCPU(_ name: String) -> Double { Double(cpu[name] ?? 0) / Double(runs) / 1e6 }

    private func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

    var json: JSON {
        var object = JSONObject()
        for name in names {
            object["run /bin/true, \(name), ms"] = JSON(rounded(quantile(name, 0.5)))
            object["run /bin/true, \(name), CPU ms"] = JSON(rounded(meanCPU(name)))
        }
        return .object(object)
    }

    var text: String {
        var lines = ["run /bin/true in all namespaces with cgroup limits and seccomp, \(runs) turns"]
        for name in names {
            var line = "  \(name): median \(rounded(quantile(name, 0.5))) ms, best \(rounded(quantile(name, 0))) ms, p90 \(rounded(quantile(name, 0.9))) ms, CPU \(rounded(meanCPU(name))) ms"
            for peer in names where name.hasPrefix("swiftlet") && !peer.hasPrefix("swiftlet") {
                line += "; \(rounded(quantile(name, 0.5) / quantile(peer, 0.5))) of \(peer) by the clock, \(rounded(meanCPU(name) / meanCPU(peer))) in CPU time"
            }
            lines.append(line)
        }
        return lines.joined(separator: "\n")
    }
}
