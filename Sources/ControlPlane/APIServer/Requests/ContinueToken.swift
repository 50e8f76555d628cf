internal import JSONTree
internal import KubeAPI

/// Where the next page of a list begins: the snapshot's revision and the last key, opaque to the client.
struct ContinueToken: Sendable, Hashable {
    let revision: Int64
    /// The last key of the page before, behind the prefix of the list.
    let after: String

    var text: String {
        let json: JSON = ["v": "meta.k8s.io/v1", "rv": JSON(revision), "start": .string(after)]
        return Base64.encode(json.bytes())
    }

    init(revision: Int64, after: String) {
        self.revision = revision
        self.after = after
    }

    init(_ text: String) throws(StatusError) {
        guard let bytes = try? Base64.decode(text), let json = try? JSON(parsing: bytes), json["v"]?.string == "meta.k8s.io/v1",
            let revision = json["rv"]?.int, revision > 0, let after = json["start"]?.string, !after.isEmpty
        else { throw .badRequest("continue key is not valid: it was not made by this server") }
        self.init(revision: revision, after: after)
    }
}
