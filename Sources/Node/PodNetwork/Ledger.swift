internal import LinuxSystem
internal import Netlink

/// One pod's place in the network: written down before anything of it is made, so that it can always be taken back.
struct Attachment: Sendable, Hashable {
    var sandbox: String
    /// The host end of the pair.
    var link: String
    var address: IPAddress
    /// Seconds since 1970 when the address was given back; nil while it is in use.
    var released: Int64?
}

/// What the node itself was before the network was set up.
struct NodeRecord: Sendable, Hashable {
    var table: String?
    /// Path below /proc/sys and the value it had, in the order of change.
    var settings: [Setting] = []
    struct Setting: Sendable, Hashable {
        var path: String
        var value: String
    }
}

/// The files behind the network: a line for each fact, one file for each pod.
///
/// They are renamed into place, so a reader sees whole files. They are not flushed to the disk: what they describe, network
/// namespaces and links, does not outlive a power cut either; a torn file after one is passed over.
struct Ledger: Sendable {
    let directory: String
    private static let version = "swiftlet pod network 1"

    init(directory: String) throws(PodNetworkError) {
        self.directory = directory
        try Self.guarded("make \(directory)") { () throws(SystemError) in try Files.makeDirectories(directory, mode: 0o700) }
    }

    // MARK: Pods

    func write(_ attachment: Attachment) throws(PodNetworkError) {
        var lines = ["sandbox \(attachment.sandbox)", "link \(attachment.link)", "address \(attachment.address)"]
        if let released = attachment.released { lines.append("released \(released)") }
        try write(lines, to: "\(attachment.link).pod")
    }

    func remove(_ attachment: Attachment) throws(PodNetworkError) {
        try Self.guarded("forget \(attachment.link)") { () throws(SystemError) in try Files.remove("\(directory)/\(attachment.link).pod") }
    }

    /// Every readable pod file, and the names of those that are not.
    func attachments() throws(PodNetworkError) -> (found: [Attachment], unreadable: [String]) {
        var found: [Attachment] = []
        var unreadable: [String] = []
        for name in try names() {
            if name.hasSuffix(".tmp") {
                // A write that was interrupted before its rename.
                try Self.guarded("remove \(name)") { () throws(SystemError) in try Files.remove("\(directory)/\(name)") }
            } else if name.hasSuffix(".pod") {
                let facts = try read(name)
                if let sandbox = facts.first("sandbox"), let link = facts.first("link"), name == "\(link).pod", let address = facts.first("address").flatMap({ IPAddress($0) }) {
                    found.append(Attachment(sandbox: sandbox, link: link, address: address, released: facts.first("released").flatMap { Int64($0) }))
                } else {
                    unreadable.append(name)
                }
            }
        }
        return (found, unreadable)
    }

    // MARK: The node

    func write(_ node: NodeRecord) throws(PodNetworkError) {
        var lines: [String] = []
        if let table = node.table { lines.append("table \(table)") }
        lines += node.settings.map { "setting \($0.path) \($0.value)" }
        try write(lines, to: "node")
    }

    func node() throws(PodNetworkError) -> NodeRecord {
        guard try names().contains("node") else { return NodeRecord() }
        let facts = try read("node")
        var record = NodeRecord(table: facts.first("table"))
        for (key, value) in facts.lines where key == "setting" {
            let words = value.split(separator: " ", maxSplits: 1).map(String.init)
            if words.count == 2 { record.settings.append(.init(path: words[0], value: words[1])) }
        }
        return record
    }

    /// Removes the directory; it must hold nothing but this ledger.
    func erase() throws(PodNetworkError) {
        for name in try names() {
            try Self.guarded("remove \(name)") { () throws(SystemError) in try Files.remove("\(directory)/\(name)") }
        }
        try Self.guarded("remove \(directory)") { () throws(SystemError) in try Files.remove(directory, folder: true) }
    }

    // MARK: Files

    private struct Facts {
        var lines: [(key: String, value: String)] = []
        func first(_ key: String) -> String? { lines.first { $0.key == key }?.value }
    }

    private func names() throws(PodNetworkError) -> [String] {
        try Self.guarded("list \(directory)") { () throws(SystemError) in try Files.list(directory).map(\.name) }
    }

    private func write(_ lines: [String], to name: String) throws(PodNetworkError) {
        let text = ([Self.version] + lines).map { $0 + "\n" }.joined() + "end\n"
        try Self.guarded("write \(name)") { () throws(SystemError) in
            try Files.writeAtomically(Array(text.utf8), to: "\(directory)/\(name)", durable: false)
        }
    }

    /// No facts if the file is of another version or torn.
    private func read(_ name: String) throws(PodNetworkError) -> Facts {
        let text = try Self.guarded("read \(name)") { () throws(SystemError) in try Files.readString("\(directory)/\(name)") }
        let lines = text.split(separator: "\n")
        guard lines.first == Self.version[...], lines.last == "end" else { return Facts() }
        return Facts(lines: lines.dropFirst().dropLast().compactMap { line in
            let words = line.split(separator: " ", maxSplits: 1)
            return words.count == 2 ? (String(words[0]), String(words[1])) : nil
        })
    }

    private static func guarded<R>(_ what: String, _ body: () throws(SystemError) -> R) throws(PodNetworkError) -> R {
        do throws(SystemError) {
            return try body()
        } catch {
            throw PodNetworkError(.ledger, "pod network ledger: \(what): \(error)", cause: error)
        }
    }
}
