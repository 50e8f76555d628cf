/// What part of a container's log is asked for: `PodLogOptions` of the API.
struct LogOptions: Sendable, Hashable {
    var follow = false
    /// The log of the previous instance of the container.
    var previous = false
    /// The last lines before anything that follows; nil: all.
    var tailLines: Int?
    /// Lines written at this time or later.
    var since: WallTime?
    /// Each line begins with its time.
    var timestamps = false
    /// Ends the output after as many bytes, in the middle of a line if need be.
    var limitBytes: Int?
    /// `All`, `Stdout` or `Stderr`.
    var stream: CRILogLine.Stream?

    /// Reads the query of `/containerLogs`, refusing values with the words of the API server's validation.
    init(query: (String) -> String?, now: WallTime) throws(KubeletError) {
        follow = try Self.flag("follow", query)
        previous = try Self.flag("previous", query)
        timestamps = try Self.flag("timestamps", query)
        tailLines = try Self.number("tailLines", query, minimum: 0)
        limitBytes = try Self.number("limitBytes", query, minimum: 1)
        if let seconds = try Self.number("sinceSeconds", query, minimum: 1) {
            guard query("sinceTime") == nil else {
                throw KubeletError(.badRequest, "at most one of `sinceTime` or `sinceSeconds` may be specified")
            }
            since = now + .seconds(-min(seconds, Int(now.seconds)))
        } else if let text = query("sinceTime"), !text.isEmpty {
            guard let time = WallTime(rfc3339: text) else {
                throw KubeletError(.badRequest, "sinceTime: expected an RFC 3339 time, found \"\(text)\"")
            }
            since = time
        }
        switch query("stream") {
        case nil, "", "All": break
        case "Stdout": stream = .stdout
        case "Stderr": stream = .stderr
        case let other?: throw KubeletError(.badRequest, "stream: expected All, Stdout or Stderr, found \"\(other)\"")
        }
        if stream != nil, tailLines != nil {
            throw KubeletError(.badRequest, "`tailLines` and specific `stream` are mutually exclusive for now")
        }
    }

    init() {}

    private static func flag(_ name: String, _ query: (String) -> String?) throws(KubeletError) -> Bool {
        switch query(name) {
        case nil, "", "0", "false", "False", "FALSE", "f", "F": false
        case "1", "true", "True", "TRUE", "t", "T": true
        case let other?: throw KubeletError(.badRequest, "\(name): expected true or false, found \"\(other)\"")
        }
    }

    private static func number(_ name: String, _ query: (String) -> String?, minimum: Int) throws(KubeletError) -> Int? {
        guard let text = query(name), !text.isEmpty else { return nil }
        guard let value = Int(text) else { throw KubeletError(.badRequest, "\(name): expected a number, found \"\(text)\"") }
        guard value >= minimum else {
            throw KubeletError(.badRequest, "\(name): Invalid value: \(value): must be greater than \(minimum == 0 ? "or equal to 0" : "0")")
        }
        return value
    }
}
