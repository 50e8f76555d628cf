import LinuxSystem

/// Where the host's list of resolvers is.
enum HostResolvers {
    static let standard = "/etc/resolv.conf"
    /// What systemd-resolved itself asks; its own address, 127.0.0.53, means nothing in a pod's network.
    static let behindResolved = "/run/systemd/resolve/resolv.conf"

    static func path() -> String {
        guard let text = try? Files.readString(standard), let other = try? Files.readString(behindResolved) else { return standard }
        return choose(text, other)
    }

    /// The second file is taken if the first names nobody but this host, and the second does not.
    static func choose(_ text: String, _ other: String) -> String {
        func servers(_ text: String) -> [Substring] {
            text.split(separator: "\n").compactMap { line in
                let words = line.split { $0 == " " || $0 == "\t" }
                return words.first == "nameserver" ? words.dropFirst().first : nil
            }
        }
        func isOnHost(_ address: Substring) -> Bool { address.hasPrefix("127.") || address == "::1" }
        return servers(text).allSatisfy(isOnHost) && servers(other).contains { !isOnHost($0) } ? behindResolved : standard
    }
}
