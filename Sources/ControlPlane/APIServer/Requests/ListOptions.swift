internal import JSONTree
internal import KubeAPI
internal import KubeHTTP

/// The query of a list or a watch.
struct ListOptions: Sendable, Hashable {
    enum Match: String, Sendable { case exact = "Exact", notOlderThan = "NotOlderThan" }

    var labelSelector = ""
    var fieldSelector = ""
    /// Nil when not given; 0 means: any, as fresh as it comes.
    var resourceVersion: Int64?
    var match: Match?
    var limit: Int?
    var continueToken: ContinueToken?
    var timeoutSeconds: Int?
    var allowBookmarks = false
    var sendInitialEvents: Bool?

    init(_ query: QueryItems) throws(StatusError) {
        labelSelector = query["labelSelector"] ?? ""
        fieldSelector = query["fieldSelector"] ?? ""
        if let text = query["resourceVersion"], !text.isEmpty {
            guard let version = Int64(text), version >= 0 else {
                throw .badRequest("resourceVersion: Invalid value: \"\(text)\": expected a number")
            }
            resourceVersion = version
        }
        if let text = query["resourceVersionMatch"], !text.isEmpty {
            guard let value = Match(rawValue: text) else {
                throw StatusError.invalid(
                    options: "ListOptions", .unsupported(FieldPath("resourceVersionMatch"), .string(text), supported: ["Exact", "NotOlderThan"]))
            }
            match = value
        }
        limit = try Self.number(query["limit"], "limit").flatMap { $0 == 0 ? nil : $0 }
        timeoutSeconds = try Self.number(query["timeoutSeconds"], "timeoutSeconds").flatMap { $0 == 0 ? nil : $0 }
        if let text = query["continue"], !text.isEmpty { continueToken = try ContinueToken(text) }
        allowBookmarks = RequestInfo.flag(query["allowWatchBookmarks"])
        if let text = query["sendInitialEvents"] { sendInitialEvents = RequestInfo.flag(text) }
    }

    /// The rules that hold between the options of a list.
    func checkList() throws(StatusError) {
        if sendInitialEvents != nil {
            throw Self.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")
        }
        if let match {
            guard continueToken == nil else {
                throw Self.forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
            }
            guard let resourceVersion else {
                throw Self.forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided")
            }
            if match == .exact, resourceVersion == 0 {
                throw Self.forbidden("resourceVersionMatch", "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\"")
            }
        }
        if continueToken != nil, let resourceVersion, resourceVersion != 0 {
            throw .badRequest("specifying resource version is not allowed when using continue")
        }
    }

    /// The rules that hold between the options of a watch.
    func checkWatch() throws(StatusError) {
        guard sendInitialEvents != nil else {
            if match != nil {
                throw Self.forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
            }
            return
        }
        guard match == .notOlderThan else {
            throw Self.forbidden("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
        }
    }

    private static func number(_ text: String?, _ name: String) throws(StatusError) -> Int? {
        guard let text, !text.isEmpty else { return nil }
        guard let value = Int(text), value >= 0 else { throw .badRequest("\(name): Invalid value: \"\(text)\": expected a number that is not negative") }
        return value
    }

    private static func forbidden(_ field: String, _ detail: String) -> StatusError {
        .invalid(options: "ListOptions", .forbidden(FieldPath(field), detail))
    }
}
