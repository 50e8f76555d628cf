import Foundation
import Glibc
import Testing

/// A one-node cluster in a network namespace, mount namespace, cgroup subtree and directories of its own.
///
/// A holder process keeps the namespaces; everything else is run inside them by `nsenter`.
final class TestCluster: Sendable {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
    static let binaries = ProcessInfo.processInfo.environment["SWIFTLET_BIN"] ?? root + "/.build/debug"
    static let images = ProcessInfo.processInfo.environment["SWIFTLET_IMAGES"] ?? root + "/.build/images"

    let name: String
    let directory: String
    let holder: Program
    var dataDirectory: String { directory + "/data" }
    var runDirectory: String { directory + "/run" }
    var kubeconfig: String { dataDirectory + "/admin.kubeconfig" }

    /// Makes the namespaces and an uplink with an address; starts nothing yet.
    init() async throws {
        name = "swiftlet-e2e-\(getpid())-\(UUID().uuidString.prefix(4).lowercased())"
        directory = "/tmp/\(name)"
        try FileManager.default.createDirectory(atPath: directory + "/data/images", withIntermediateDirectories: true)
        holder = try Program(["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", "echo ready; exec sleep infinity"], directory: directory)
        let holder = holder
        _ = try await eventually("the namespaces exist", within: 10, every: 0.01) { holder.output.contains("ready") ? true : nil }
        for command in ["ip link set lo up", "ip link add uplink type bridge", "ip addr add 192.0.2.10/24 dev uplink",
                        "ip link set uplink up", "ip route add default via 192.0.2.1"] {
            try await succeed(command.split(separator: " ").map(String.init))
        }
    }

    /// The program and its arguments inside the node's namespaces.
    func inside(_ arguments: [String]) -> [String] {
        ["nsenter", "--target", "\(holder.pid)", "--net", "--mount", "--wd=\(Self.root)", "--"] + arguments
    }

    func start(_ arguments: [String], input: Pipe? = nil) throws -> Program {
        try Program(inside(arguments), environment: ["KUBECONFIG": kubeconfig, "HOME": directory], directory: directory, input: input)
    }

    func run(_ arguments: [String], timeout: Double = 60) async throws -> Output {
        try await start(arguments).wait(timeout: timeout)
    }

    @discardableResult
    func succeed(_ arguments: [String], timeout: Double = 60) async throws -> Output {
        let output = try await run(arguments, timeout: timeout)
        guard output.status == 0 else { throw ShellError(description: "\(arguments.joined(separator: " ")): \(output)") }
        return output
    }

    func kubectl(_ arguments: String...) async throws -> Output { try await run(["kubectl"] + arguments) }

    /// kubectl that must succeed; returns what it printed.
    @discardableResult
    func kube(_ arguments: String...) async throws -> String { try await succeed(["kubectl"] + arguments).out }

    /// Applies a manifest given as text.
    @discardableResult
    func apply(_ manifest: String) async throws -> Output {
        let path = directory + "/\(UUID().uuidString.prefix(8)).yaml"
        try manifest.write(toFile: path, atomically: true, encoding: .utf8)
        return try await run(["kubectl", "apply", "-f", path])
    }

    var directories: [String] { ["--data-dir", dataDirectory, "--run-dir", runDirectory, "--log-dir", directory + "/log"] }
    var cgroups: [String] { ["--cgroup-parent", name] }

    func swiftlet(_ arguments: String..., timeout: Double = 60) async throws -> Output {
        try await run([Self.binaries + "/swiftlet"] + arguments, timeout: timeout)
    }

    /// Starts `swiftlet up` and waits until the node is Ready.
    func up() async throws -> Program {
        let agent = try start([Self.binaries + "/swiftlet", "up", "--node-name", "node-1"] + directories + cgroups)
        try await ready(agent)
        return agent
    }

    func ready(_ agent: Program) async throws {
        _ = try await eventually("the node is Ready") {
            guard agent.isRunning else { throw ShellError(description: "the agent ended: \(agent.errorOutput)") }
            return try await self.kubectl("wait", "--for=condition=Ready", "node/node-1", "--timeout=20s").status == 0 ? true : nil
        }
    }

    func importImages(_ names: String...) async throws {
        for name in names {
            try await succeed([Self.binaries + "/swiftlet", "image", "import", "--data-dir", dataDirectory, Self.images + "/\(name).tar"])
        }
    }

    /// Plays the ledger back and proves that nothing is left, then removes the namespaces.
    func remove(agent: Program?) async throws {
        if let agent, agent.isRunning {
            agent.signal(SIGTERM)
            _ = try await agent.wait(timeout: 30)
        }
        // Where an agent ran, it has left word where its cgroups are.
        let reset = try await run([Self.binaries + "/swiftlet", "reset", "--yes"] + directories + (agent == nil ? cgroups : []))
        #expect(reset.status == 0, "reset: \(reset)")
        let left = try await leftovers()
        #expect(left == [], "left behind after reset")
        holder.signal(SIGKILL)
        _ = try await holder.wait(timeout: 10)
        try FileManager.default.removeItem(atPath: directory)
    }

    /// What the node should not leave: mounts, links, cgroups, processes.
    func leftovers() async throws -> [String] {
        var found: [String] = []
        let mounts = try await succeed(["cat", "/proc/self/mounts"])
        found += mounts.lines.filter { $0.contains(directory) }.map { "mount \($0)" }
        let links = try await succeed(["ip", "-o", "link"])
        found += links.lines.filter { !$0.contains(": lo:") && !$0.contains(": uplink:") && !$0.contains("noop") }.map { "link \($0)" }
        let groups = try await run(["find", "/sys/fs/cgroup", "-maxdepth", "3", "-type", "d", "-name", name])
        found += groups.lines.map { "cgroup \($0)" }
        let routes = try await succeed(["ip", "route"])
        found += routes.lines.filter { $0.contains("10.244.") }.map { "route \($0)" }
        for entry in try FileManager.default.contentsOfDirectory(atPath: "/proc") where Int32(entry) != nil {
            guard let data = FileManager.default.contents(atPath: "/proc/\(entry)/cmdline") else { continue }
            let line = String(decoding: data, as: UTF8.self).replacingOccurrences(of: "\0", with: " ")
            if line.contains("swiftlet-shim"), line.contains(directory) { found.append("process \(entry) \(line)") }
        }
        return found
    }
}
