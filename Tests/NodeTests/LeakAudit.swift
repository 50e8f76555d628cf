import LinuxSystem
import Netlink

/// What the kernel holds that a node could leave behind: taken before and after, the difference must be empty.
struct LeakAudit: Hashable {
    /// One line for each thing, with its kind in front.
    private(set) var entries: Set<String>

    /// - Parameters:
    ///   - network: whose links, addresses, routes, neighbours and tables count; nil: this process's.
    ///   - cgroupPrefix: below which sub-path cgroups count; nil: none do.
    ///   - mountsBelow: mounts whose mount point begins with it count; nil: none do.
    ///   - directories: files below these count.
    init(network: NetworkNamespace? = nil, cgroupPrefix: String? = nil, mountsBelow: String? = nil, directories: [String] = []) throws {
        var entries: Set<String> = []
        entries.formUnion(try Self.network(try network.map { try RouteSocket(inside: $0.path) } ?? RouteSocket()))
        for table in try (try network.map { try NFTablesSocket(inside: $0.path) } ?? NFTablesSocket()).tables() { entries.insert("table \(table.family) \(table.name)") }
        if let cgroupPrefix { entries.formUnion(try Self.cgroups(cgroupPrefix)) }
        if let mountsBelow { entries.formUnion(try Self.mounts(mountsBelow)) }
        for directory in directories { entries.formUnion(Self.files(directory)) }
        // `ip netns` names, where a pinned namespace of a test could be forgotten.
        for entry in (try? Files.list("/run/netns")) ?? [] { entries.insert("named namespace \(entry.name)") }
        self.entries = entries
    }

    /// What is here and was not before (`+`), and what was and is not (`-`).
    func difference(from before: LeakAudit) -> [String] {
        entries.subtracting(before.entries).sorted().map { "+ " + $0 } + before.entries.subtracting(entries).sorted().map { "- " + $0 }
    }

    private static func network(_ socket: RouteSocket) throws -> [String] {
        let links = try socket.links()
        func name(_ index: Int32?) -> String { links.first { $0.index == index }?.name ?? "\(index ?? 0)" }
        return links.map { "link \($0.name) \($0.kind ?? "")" }
            + (try socket.addresses()).map { "address \($0.prefix) \(name($0.index))" }
            + (try socket.routes(.v4)).map { "route \($0.destination?.description ?? "default") \(name($0.index))" }
            // Neighbours that were learnt come and go by themselves.
            + (try socket.neighbours(.v4)).filter(\.isPermanent).map { "neighbour \($0.address) \(name($0.index))" }
    }

    private static func mounts(_ below: String) throws -> [String] {
        try Files.readString("/proc/self/mountinfo").split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            return words.count > 4 && words[4].hasPrefix(below) ? "mount \(words[4])" : nil
        }
    }

    private static func cgroups(_ prefix: String) throws -> [String] {
        let top = "/sys/fs/cgroup"
        let hierarchies = Files.exists(top + "/cgroup.controllers") ? [top] : try Files.list(top).map { "\(top)/\($0.name)" }
        return hierarchies.flatMap { hierarchy in directories("\(hierarchy)/\(prefix)").map { "cgroup \($0)" } }
    }

    private static func directories(_ path: String) -> [String] {
        guard let entries = try? Files.list(path) else { return [] }
        return [path] + entries.filter { $0.kind == .directory }.flatMap { directories("\(path)/\($0.name)") }
    }

    private static func files(_ path: String) -> [String] {
        guard let entries = try? Files.list(path) else { return [] }
        return entries.flatMap { entry in ["file \(path)/\(entry.name)"] + (entry.kind == .directory ? files("\(path)/\(entry.name)") : []) }
    }
}
