/// The name of an image as people write it, with the defaults that Docker and Kubernetes add:
/// `nginx` is `docker.io/library/nginx:latest`.
public struct Reference: Sendable, Hashable, CustomStringConvertible {
    /// Host and optional port, e.g. `docker.io` or `localhost:5000`.
    public let domain: String
    /// Path below the domain, e.g. `library/nginx`.
    public let path: String
    /// Nil only where there is a digest and no tag.
    public let tag: String?
    public let digest: Digest?

    /// Reads a reference by the grammar of the distribution project.
    /// - Throws: ``OCIError`` with `invalidReference`.
    public init(parsing text: String) throws(OCIError) {
        var rest = Substring(text)
        var digest: Digest?
        if let at = rest.firstIndex(of: "@") {
            digest = try Digest(parsing: rest[rest.index(after: at)...])
            rest = rest[..<at]
        }
        var tag: String?
        // A colon after the last slash starts a tag; one before it, a port.
        if let colon = rest.lastIndex(of: ":"), !rest[colon...].contains("/") {
            tag = String(rest[rest.index(after: colon)...])
            rest = rest[..<colon]
        }
        let (domain, path) = Reference.split(rest)
        try self.init(domain: domain, path: path, tag: tag ?? (digest == nil ? "latest" : nil), digest: digest, written: text)
    }

    private init(domain: String, path: String, tag: String?, digest: Digest?, written: String) throws(OCIError) {
        func refuse(_ why: String) -> OCIError { OCIError(.invalidReference, "invalid image reference \"\(written.prefix(300))\": \(why)") }
        guard !path.isEmpty else { throw refuse("expected a repository name") }
        guard domain.utf8.count + path.utf8.count < 255 else { throw refuse("expected a repository name of at most 255 characters") }
        guard Reference.isDomain(domain) else { throw refuse("expected a host name with an optional port, found \(domain)") }
        guard path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy(Reference.isComponent) else {
            throw refuse("expected lower-case letters, digits and single separators (. _ __ -) in \(path)")
        }
        if Digest.isHex(written) { throw refuse("64 hexadecimal digits are an image id, not a repository") }
        if let tag, !Reference.isTag(tag) { throw refuse("expected a tag of at most 128 letters, digits, _ . -, found \(tag)") }
        (self.domain, self.path, self.tag, self.digest) = (domain, path, tag, digest)
    }

    /// The first component is a host if it could not be anything else.
    private static func split(_ name: Substring) -> (String, String) {
        guard let slash = name.firstIndex(of: "/") else { return ("docker.io", "library/" + name) }
        let first = name[..<slash]
        let rest = String(name[name.index(after: slash)...])
        let isHost = first.contains(".") || first.contains(":") || first == "localhost" || first.lowercased() != first
        guard isHost else { return ("docker.io", String(name)) }
        let domain = first == "index.docker.io" ? "docker.io" : String(first)
        return (domain, domain == "docker.io" && !rest.contains("/") && !rest.isEmpty ? "library/" + rest : rest)
    }

    /// `docker.io/library/nginx`.
    public var repository: String { domain + "/" + path }

    /// The whole name with every default written out.
    public var description: String {
        repository + (tag.map { ":" + $0 } ?? "") + (digest.map { "@\($0)" } ?? "")
    }

    /// The name as Docker's users know it: `nginx:latest`.
    public var familiar: String {
        var name = domain == "docker.io" ? path : repository
        if domain == "docker.io", name.hasPrefix("library/"), !name.dropFirst(8).contains("/") { name = String(name.dropFirst(8)) }
        return name + (tag.map { ":" + $0 } ?? "") + (digest.map { "@\($0)" } ?? "")
    }

    /// `docker.io/library/nginx@sha256:…`, the name of these very bytes.
    public func pinned(to digest: Digest) -> String { repository + "@\(digest)" }
}

extension Reference {
    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte)
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool { isAlphanumeric(byte) || (0x41...0x5a).contains(byte) }

    /// Letters and digits with single separators between: one dot, one or two underscores, any number of dashes.
    private static func isComponent(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, let last = text.utf8.last, isAlphanumeric(first), isAlphanumeric(last) else { return false }
        let bytes = Array(text.utf8)
        var index = 0
        while index < bytes.count {
            if isAlphanumeric(bytes[index]) { index += 1; continue }
            let separator = bytes[index]
            let run = bytes[index...].prefix { $0 == separator }.count
            let allowed = separator == UInt8(ascii: "-") || (separator == UInt8(ascii: "_") && run <= 2) || (separator == UInt8(ascii: ".") && run == 1)
            index += run
            guard allowed, isAlphanumeric(bytes[index]) else { return false } // the last byte is no separator, so there is a next
        }
        return true
    }

    static func isTag(_ text: String) -> Bool {
        guard let first = text.utf8.first, text.utf8.count <= 128, isLetterOrDigit(first) || first == UInt8(ascii: "_") else { return false }
        return text.utf8.allSatisfy { isLetterOrDigit($0) || [UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-")].contains($0) }
    }

    private static func isDomain(_ text: String) -> Bool {
        var host = Substring(text)
        if host.hasPrefix("[") { // an IPv6 address
            guard let end = host.firstIndex(of: "]") else { return false }
            let inside = host[host.index(after: host.startIndex)..<end]
            let rest = host[host.index(after: end)...]
            guard !inside.isEmpty, inside.utf8.allSatisfy({ isLetterOrDigit($0) || $0 == UInt8(ascii: ":") }) else { return false }
            return rest.isEmpty || (rest.hasPrefix(":") && isPort(rest.dropFirst()))
        }
        if let colon = host.firstIndex(of: ":") {
            guard isPort(host[host.index(after: colon)...]) else { return false }
            host = host[..<colon]
        }
        return host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            guard let first = label.utf8.first, let last = label.utf8.last else { return false }
            return isLetterOrDigit(first) && isLetterOrDigit(last) && label.utf8.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "-") }
        }
    }

    private static func isPort(_ text: Substring) -> Bool {
        guard let port = Int(text), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return false }
        return (1...65535).contains(port)
    }
}
