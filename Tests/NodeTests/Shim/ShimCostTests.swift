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
        for index in 0..<50 { _ = try node.run(node.plan("c\(index)", ["true"])) }
        let rollup = try Files.readString("/proc/\(node.shimPID)/smaps_rollup")
        print("shim after 51 containers: PSS \(field("Pss", rollup)) KB, anonymous \(field("Anonymous", rollup)) KB")
        #expect(field("Anonymous", rollup) < 1024)
    }

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
