import Glibc
import LinuxSystem
import ShimProtocol
import Testing

/// What a pod costs: bounds loose enough for a busy machine, and a line with the numbers for whoever measures.
@Suite(.privileged, .serialized) struct ShimCostTests {
    private func field(_ name: String, _ text: String) -> Int {
        let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
        return line.flatMap { Int($0.split(separator: " ", omittingEmptySubsequences: true)[1]) } ?? 0
    }

    @Test func aShimStaysSmall() throws {
        let node = try ShimHarness()
        try node.start(node.plan("main", ["sleep", "1000"]))
        var rollup = try Files.readString("/proc/\(node.shimPID)/smaps_rollup")
        let bound = field("Anonymous", rollup) + ShimCostTests.growth
        print("shim with one container: PSS \(field("Pss", rollup)) KB, anonymous \(field("Anonymous", rollup)) KB")
        for index in 0..<50 {
            var plan = node.plan("c\(index)", ["true"])
            plan.process.seccomp = Array(repeating: [6, 0, 0, 0, 0, 0, 0xff, 0x7f], count: 1250).flatMap { $0 } // as long as the default one
            _ = try node.run(plan)
        }
        _ = try node.connection.call(.acknowledge(upTo: node.inbox.all.map(\.sequence).max() ?? 0))
        rollup = try Files.readString("/proc/\(node.shimPID)/smaps_rollup")
        print("shim after 51 containers: PSS \(field("Pss", rollup)) KB, anonymous \(field("Anonymous", rollup)) KB")
        // After a second of rest it gives back what it does not need: there is no event for that.
        let deadline = Clocks.monotonic() + 10_000_000_000
        while field("Anonymous", rollup) >= bound, Clocks.monotonic() < deadline {
            usleep(50_000)
            rollup = try Files.readString("/proc/\(node.shimPID)/smaps_rollup")
        }
        print("shim at rest: PSS \(field("Pss", rollup)) KB, anonymous \(field("Anonymous", rollup)) KB")
        #expect(field("Anonymous", rollup) < min(bound, ShimCostTests.most))
    }

    /// Kilobytes of anonymous memory that what it has run before may leave.
    private static let growth = 112
    /// Kilobytes of anonymous memory at rest. Optimised it is about 200 with one container; a debug build has 130 more.
    private static let most = 512

    @Test func trueStartsAndEndsFast() throws {
        let node = try ShimHarness()
        var times: [Int64] = []
        for index in 0..<60 {
            let plan = node.plan("c\(index)", ["/bin/true"])
            let before = Clocks.monotonic()
            _ = try node.run(plan)
            times.append(Clocks.monotonic() - before)
        }
        times.sort()
        print("create, start and exit of /bin/true: p50 \(times[30] / 1000) µs, fastest \(times[0] / 1000) µs")
        #expect(times[30] < 200_000_000)
    }
}
