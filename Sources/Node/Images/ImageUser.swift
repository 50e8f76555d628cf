/// Who a container runs as.
public struct ImageUser: Sendable, Hashable {
    public var uid: UInt32
    public var gid: UInt32
    /// Groups that `/etc/group` lists the user in, without `gid`.
    public var groups: [UInt32]
    /// From `/etc/passwd`; `/` if the user is not there.
    public var home: String

    public init(uid: UInt32, gid: UInt32, groups: [UInt32] = [], home: String = "/") {
        (self.uid, self.gid, self.groups, self.home) = (uid, gid, groups, home)
    }
}

extension ImageRoot {
    /// Looks a user up in the image's own files, never in the host's name service. Reads two small files.
    /// - Parameter text: as images write it: `name`, `1000`, `name:group`, `1000:1000`, or empty for root.
    /// - Throws: `notFound` for a name that the image does not have.
    public func user(_ text: String) throws(ImageError) -> ImageUser {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let passwd = Account.list(try read("/etc/passwd") ?? [], fields: 7)
        let group = Account.list(try read("/etc/group") ?? [], fields: 4)
        let name = parts.first.flatMap { $0.isEmpty ? nil : $0 } ?? "0"

        let entry = passwd.first { $0[0] == name } ?? ImageRoot.id(name).flatMap { id in passwd.first { ImageRoot.id($0[2]) == id } }
        guard let uid = entry.flatMap({ ImageRoot.id($0[2]) }) ?? ImageRoot.id(name) else {
            throw ImageError(.notFound, "user \(name.prefix(100)): expected a number or a name in the image's /etc/passwd")
        }
        var result = ImageUser(uid: uid, gid: entry.flatMap { ImageRoot.id($0[3]) } ?? 0, home: entry.map { $0[5].isEmpty ? "/" : $0[5] } ?? "/")
        if parts.count == 2 {
            guard let gid = group.first(where: { $0[0] == parts[1] }).flatMap({ ImageRoot.id($0[2]) }) ?? ImageRoot.id(parts[1]) else {
                throw ImageError(.notFound, "group \(parts[1].prefix(100)): expected a number or a name in the image's /etc/group")
            }
            result.gid = gid // a group that is named brings no others, as in Docker
            return result
        }
        if let login = entry?[0] {
            let memberships = group.filter { $0[3].split(separator: ",").contains(Substring(login)) }.compactMap { ImageRoot.id($0[2]) }
            result.groups = Array(Set(memberships).subtracting([result.gid])).sorted()
        }
        return result
    }

    /// A 32-bit id; the last one means "none" to the kernel.
    private static func id(_ text: String) -> UInt32? {
        guard let id = UInt32(text), id != .max, text.first != "+" else { return nil }
        return id
    }
}

private enum Account {
    /// Lines of colon-separated fields; broken ones and comments are passed over, as the C library does.
    static func list(_ bytes: [UInt8], fields: Int) -> [[String]] {
        bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let parts = String(decoding: line, as: UTF8.self).split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            return parts.count >= fields && !parts[0].isEmpty && !parts[0].hasPrefix("#") ? parts : nil
        }
    }
}
