internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

/// In which form the client wants objects.
enum OutputForm: Sendable, Hashable {
    case object
    /// Columns for people, made by the server: `as=Table`.
    case table
    /// Metadata alone: `as=PartialObjectMetadata` or `as=PartialObjectMetadataList`.
    case metadata

    static let mediaTypes = ["application/json"]

    /// The first form that the client accepts and this server has. A client that says nothing gets objects.
    static func negotiate(_ headers: HTTPHeaders) throws(StatusError) -> OutputForm {
        let ranges = MediaRange.parse(headers["accept"])
        if ranges.isEmpty { return .object }
        for range in ranges where range.acceptsJSON {
            switch (range.parameters["as"], range.parameters["g"], range.parameters["v"]) {
            case (nil, _, _): return .object
            case ("Table", "meta.k8s.io", "v1"): return .table
            case ("PartialObjectMetadata", "meta.k8s.io", "v1"), ("PartialObjectMetadataList", "meta.k8s.io", "v1"): return .metadata
            default: continue
            }
        }
        throw .notAcceptable(mediaTypes)
    }
}

/// One entry of an `Accept` header.
struct MediaRange: Sendable, Hashable {
    let type: String
    let parameters: [String: String]

    var acceptsJSON: Bool { type == "application/json" || type == "application/*" || type == "*/*" }

    /// The entries in order of preference: by `q`, then as written.
    static func parse(_ headers: [String]) -> [MediaRange] {
        let entries = headers.flatMap { $0.split(separator: ",") }.compactMap { entry -> (MediaRange, Double)? in
            var parts = entry.split(separator: ";").map { trim($0) }
            guard !parts.isEmpty else { return nil }
            let type = parts.removeFirst().lowercased()
            var parameters: [String: String] = [:]
            for part in parts {
                let pair = part.split(separator: "=", maxSplits: 1).map { trim($0) }
                if pair.count == 2 { parameters[pair[0]] = pair[1] }
            }
            let quality = parameters["q"].flatMap(Double.init) ?? 1
            parameters["q"] = nil
            return (MediaRange(type: type, parameters: parameters), quality)
        }
        return entries.enumerated().sorted { ($0.element.1, -$0.offset) > ($1.element.1, -$1.offset) }.map(\.element.0)
    }

    private static func trim(_ text: some StringProtocol) -> String {
        var slice = Substring(text)
        while let first = slice.first, first.isWhitespace { slice.removeFirst() }
        while let last = slice.last, last.isWhitespace { slice.removeLast() }
        return String(slice)
    }
}
