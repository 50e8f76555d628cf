import Glibc
import LinuxSystem
import Logging
import Netlink
import ServiceProxy

/// `swiftlet-bench-services [--runs N] [--json]`: how long the service proxy takes from news to the kernel, in a network namespace of
/// its own. As root.
@main
struct Main {
    static func main() async {
        do {
            var runs = 3
            var rest = CommandLine.arguments.dropFirst()
            var report = Report()
            while let argument = rest.popFirst() {
                if argument == "--json" {
                    report.isJSON = true
                    continue
                }
                guard argument == "--runs", let number = rest.popFirst().flatMap({ Int($0) }), number > 0 else {
                    throw ServiceBenchmarkError("expected --runs NUMBER or --json, found \(argument)")
                }
                runs = number
            }
            for count in [1000, 10_000] { try await measure(services: count, runs: runs, &report) }
            report.finish()
        } catch {
            try? FileDescriptor(owning: 2).writeAll(Array("swiftlet-bench-services: \(error)\n".utf8))  // nobody is left to tell
            Processes.exitNow(1)
        }
    }

    private static func measure(services count: Int, runs: Int, _ report: inout Report) async throws {
        var full: [Sample] = []
        for run in 1...runs {
            let bench = try ServiceBenchmark()
            full.append(try await bench.fullSync(services: count))
            if run == runs {
                report.add("full sync of \(count) Services with 2 endpoints", full)
                report.add("one endpoint replaced among \(count) Services", try await bench.oneChange(services: count, times: 100))
                report.add("one Service more beside \(count)", try await bench.oneService(times: 100))
                if count == 1000 { report.add("one endpoint more at 1000 endpoints", try await bench.oneEndpointMore(at: 1000, times: 100)) }
                report.add("one endpoint of 1000 replaced beside \(count) Services", try await bench.replacedOfMany(at: 1000, times: 50))
            }
            try await bench.end()
        }
    }
}

/// Prints a line for each measurement, or an object of all of them at the end.
struct Report {
    var isJSON = false
    private var members: [String] = []

    mutating func add(_ what: String, _ samples: [Sample]) {
        let (elapsed, processor) = (samples.map(\.elapsed).sorted(), samples.map(\.processor).sorted())
        func text(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }
        let (middle, last) = (samples.count / 2, samples.count - 1)
        if isJSON {
            members.append("\"\(what)\": {\"ms\": \(text(elapsed[middle])), \"processor ms\": \(text(processor[middle]))}")
            return
        }
        print("\(what): median \(text(elapsed[middle])) ms, best \(text(elapsed[0])) ms, worst \(text(elapsed[last])) ms; processor \(text(processor[middle])) ms (\(samples.count) runs)")
    }

    func finish() { if isJSON { print("{\(members.joined(separator: ", "))}") } }
}

/// Milliseconds: of the clock, and of this process on all processors, which a busy machine does not change.
struct Sample {
    var elapsed: Double
    var processor: Double
}

struct ServiceBenchmarkError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// A proxy in a network namespace that nobody else uses.
final class ServiceBenchmark {
    private let namespace: FileDescriptor
    private let proxy: ServiceProxy
    private let running: Task<Void, Never>
    private var next = 0

    init() throws {
        let namespace = try Namespaces.onOwnThread {
            Result {
                try Namespaces.unshare(.network)
                return try Namespaces.open("/proc/thread-self/ns/net")
            }
        }.get()
        self.namespace = namespace
        guard let address = IPAddress("192.0.2.1"), let pods = IPPrefix("10.244.0.0/24"), let services = IPPrefix("10.96.0.0/16") else {
            throw ServiceBenchmarkError("expected addresses, found none")
        }
        let node = NodeDescription(name: "node", addresses: [address], podCIDRs: [pods], serviceCIDRs: [services])
        let proxy = try ServiceProxy(
            configuration: .init(namespacePath: "/proc/self/fd/\(namespace.raw)"), node: node, logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() })
        self.proxy = proxy
        running = Task { await proxy.run() }
    }

    func end() async throws {
        running.cancel()
        await running.value
    }

    private func service(_ number: Int) -> ServiceDescription {
        ServiceDescription(ObjectName("bench", "service-\(number)"), clusterIPs: [.v4(0x0a60_0001 + UInt32(number))], ports: [.init(.tcp, 80)])
    }

    private func slice(_ number: Int, _ addresses: [UInt32]) -> EndpointSliceDescription {
        EndpointSliceDescription(
            ObjectName("bench", "service-\(number)-a"), service: "service-\(number)", ports: [.init(.tcp, 8080)],
            endpoints: addresses.map { .init(.v4($0), nodeName: "other") })
    }

    /// Addresses that no endpoint had before.
    private func fresh(_ count: Int) -> [UInt32] {
        defer { next += count }
        return (0..<count).map { 0x0a80_0000 + UInt32(next + $0) }
    }

    private func timed(_ changes: [ServiceChange]) async throws -> Sample {
        let (start, used) = (Clocks.monotonic(), Self.processorTime())
        proxy.submit(changes)
        try await proxy.synchronize()
        return Sample(elapsed: Double(Clocks.monotonic() - start) / 1e6, processor: Double(Self.processorTime() - used) / 1e6)
    }

    private static func processorTime() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    func fullSync(services count: Int) async throws -> Sample {
        var changes: [ServiceChange] = []
        for number in 0..<count { changes += [.service(service(number)), .slice(slice(number, fresh(2)))] }
        return try await timed(changes + [.servicesComplete, .slicesComplete])
    }

    func oneChange(services count: Int, times: Int) async throws -> [Sample] {
        var result: [Sample] = []
        for time in 0..<times { result.append(try await timed([.slice(slice(time * 7 % count, fresh(2)))])) }
        return result
    }

    func oneService(times: Int) async throws -> [Sample] {
        var result: [Sample] = []
        for time in 0..<times { result.append(try await timed([.service(service(20_000 + time)), .slice(slice(20_000 + time, fresh(2)))])) }
        return result
    }

    func oneEndpointMore(at count: Int, times: Int) async throws -> [Sample] {
        var addresses = fresh(count)
        _ = try await timed([.service(service(30_000)), .slice(slice(30_000, addresses))])
        var result: [Sample] = []
        for _ in 0..<times {
            addresses += fresh(1)
            result.append(try await timed([.slice(slice(30_000, addresses))]))
        }
        return result
    }

    func replacedOfMany(at count: Int, times: Int) async throws -> [Sample] {
        var addresses = fresh(count)
        _ = try await timed([.service(service(31_000)), .slice(slice(31_000, addresses))])
        var result: [Sample] = []
        for time in 0..<times {
            addresses[time * 13 % count] = fresh(1)[0]
            result.append(try await timed([.slice(slice(31_000, addresses))]))
        }
        return result
    }
}
