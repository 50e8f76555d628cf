/// Who the process runs as, looked up in the image's own `/etc/passwd` and `/etc/group`: no name service is asked.
struct Identity: Sendable, Hashable {
    var uid: UInt32
    var gid: UInt32
    /// Supplementary groups without repeats, the primary one first.
    var groups: [UInt32]
    var home: String
}

/// The two account files of an image. Lines that do not parse are skipped, as the C library does.
struct AccountFiles: Sendable {
    struct User: Sendable, Hashable {
        var name: String
        var uid: UInt32
        var gid: UInt32
        var home: String
    }

    struct Group: Sendable, Hashable {
        var name: String
        var gid: UInt32
        var members: [String]
    }

    let users: [User]
    let groups: [Group]

    /// - Parameters:
    ///   - passwd: the bytes of `/etc/passwd`, nil if the image has none.
    ///   - group: the bytes of `/etc/group`.
    init(passwd: [UInt8]?, group: [UInt8]?) {
        users = Self.lines(passwd).compactMap { fields in
            guard fields.count >= 4, !fields[0].isEmpty, let uid = UInt32(fields[2]), let gid = UInt32(fields[3]) else { return nil }
            return User(name: fields[0], uid: uid, gid: gid, home: fields.count > 5 ? fields[5] : "")
        }
        groups = Self.lines(group).compactMap { fields in
            guard fields.count >= 3, !fields[0].isEmpty, let gid = UInt32(fields[2]) else { return nil }
            let members = fields.count > 3 ? fields[3].split(separator: ",").map(String.init) : []
            return Group(name: fields[0], gid: gid, members: members)
        }
    }

    private static func lines(_ bytes: [UInt8]?) -> [[String]] {
        guard let bytes else { return [] }
        return bytes.split(separator: UInt8(ascii: "\n")).map { line in
            line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        }
    }
}

extension Identity {
    /// - Parameter imageUser: the `User` of the image's configuration; used where the container names none.
    static func resolve(_ security: SecurityConfiguration, imageUser: String, accounts: AccountFiles) throws(RuntimeError) -> Identity {
        var words: [Substring]
        if let user = security.user {
            words = [Substring(String(user))]
        } else {
            words = imageUser.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        }
        let userWord = words.first.map(String.init) ?? ""
        let entry = try user(userWord, accounts)
        var gid = entry.gid
        if words.count == 2, !words[1].isEmpty { gid = try group(String(words[1]), accounts) }
        if let given = security.group { gid = given }
        guard gid != .max else { throw invalid("group id", String(gid)) }

        var groups = [gid]
        let memberships = entry.name.isEmpty ? [] : accounts.groups.filter { $0.members.contains(entry.name) }.map(\.gid)
        for group in memberships + security.supplementalGroups where !groups.contains(group) {
            // (gid_t)-1 means "leave alone" to the kernel.
            guard group != .max else { throw invalid("supplementary group id", String(group)) }
            groups.append(group)
        }
        return Identity(uid: entry.uid, gid: gid, groups: groups, home: entry.home.isEmpty ? "/" : entry.home)
    }

    private static func user(_ word: String, _ accounts: AccountFiles) throws(RuntimeError) -> AccountFiles.User {
        let word = word.isEmpty ? "0" : word
        // A name wins over a number, so that an account called "1000" means what the image's author wrote.
        if let user = accounts.users.first(where: { $0.name == word }) { return try checked(user) }
        guard isNumber(word) else {
            throw RuntimeError(.createFailed, "unable to find user \(word): no matching entries in passwd file", step: "look up the user")
        }
        guard let uid = UInt32(word), uid != .max else { throw invalid("user id", word) }
        if let user = accounts.users.first(where: { $0.uid == uid }) { return try checked(user) }
        return AccountFiles.User(name: "", uid: uid, gid: 0, home: "/")
    }

    private static func checked(_ user: AccountFiles.User) throws(RuntimeError) -> AccountFiles.User {
        guard user.uid != .max, user.gid != .max else { throw invalid("id of user \(user.name)", "4294967295") }
        return user
    }

    private static func group(_ word: String, _ accounts: AccountFiles) throws(RuntimeError) -> UInt32 {
        if let group = accounts.groups.first(where: { $0.name == word }) { return group.gid }
        guard isNumber(word) else {
            throw RuntimeError(.createFailed, "unable to find group \(word): no matching entries in group file", step: "look up the group")
        }
        guard let gid = UInt32(word), gid != .max else { throw invalid("group id", word) }
        return gid
    }

    private static func isNumber(_ word: String) -> Bool { word.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } }

    private static func invalid(_ what: String, _ value: String) -> RuntimeError {
        RuntimeError(.invalidConfiguration, "\(what) \(value) is out of range: expected 0 to 4294967294")
    }
}
