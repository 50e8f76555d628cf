/// A resolver that other names are asked of.
public struct Upstream: Sendable, Hashable, CustomStringConvertible {
    /// An IPv4 or IPv6 address.
    public var address: String
    public var port: Int

    public init(address: String, port: Int = 53) { (self.address, self.port) = (address, port) }

    public var description: String { (address.contains(":") ? "[\(address)]" : address) + ":\(port)" }

    /// The resolvers of a `resolv.conf`, without those that lead back here: a query would go in a circle.
    ///
    /// - Parameter own: where this server can be reached: its own address and port, and the DNS Service's.
    public static func list(resolvConf text: String, excluding own: Set<Upstream>) -> [Upstream] {
        var found: [Upstream] = []
        for line in text.split(separator: "\n") {
            let words = line.split { $0 == " " || $0 == "\t" }
            guard words.first == "nameserver", words.count > 1 else { continue }
            // Compared by bytes: an address has many spellings.
            guard let bytes = IPBytes.parse(String(words[1])) else { continue }
            let upstream = Upstream(address: IPBytes.text(bytes))
            if !own.contains(upstream), !found.contains(upstream) { found.append(upstream) }
        }
        return found
    }
}

/// The way to resolvers: one query, one answer.
public protocol UpstreamTransport: Sendable {
    /// Sends a query and returns the first answer that belongs to it.
    /// - Throws: an error if there is none in time.
    func exchange(_ query: DNSMessage, with upstream: Upstream, overTCP: Bool) async throws -> DNSMessage
}
