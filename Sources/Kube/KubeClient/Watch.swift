public import JSONTree
public import KubeAPI

/// One line of a watch.
public enum WatchEvent: Sendable {
    case added(JSON)
    case modified(JSON)
    case deleted(JSON)
    /// Nothing changed, but the watch has seen everything up to this object's resource version.
    case bookmark(JSON)
}

extension KubeClient {
    /// Watches from `options.resourceVersion` on. The stream throws `KubeError` when the server reports one (`Expired` when
    /// the version is too old) and ends when the server ends the watch.
    /// - Parameter seconds: how long the server is asked to keep it open.
    public func watch(_ resource: ResourceReference, namespace: String? = nil, options: ListOptions, seconds: Int) async throws -> AsyncThrowingStream<WatchEvent, any Error> {
        let query = options.query + [.init("watch", "true"), .init("allowWatchBookmarks", "true"), .init("timeoutSeconds", String(seconds))]
        let response = try await transport.stream(APIRequest(.get, resource.path(namespace: namespace), query: query))
        guard response.status == 200 else {
            var body: [UInt8] = []
            for try await piece in response.body where body.count < 65_536 { body += piece }
            throw KubeError(status: response.status, body: body)
        }
        let body = response.body
        let events = LineEvents(body)
        return AsyncThrowingStream { try await events.next() }
    }
}

/// Cuts a body into lines and reads each as an event. Used by one reader at a time.
private actor LineEvents {
    private var iterator: AsyncThrowingStream<[UInt8], any Error>.AsyncIterator
    private var buffer: [UInt8] = []
    /// Where in the buffer the next line begins.
    private var start = 0
    /// Up to where no newline was found yet.
    private var searched = 0

    init(_ body: AsyncThrowingStream<[UInt8], any Error>) { iterator = body.makeAsyncIterator() }

    func next() async throws -> WatchEvent? {
        while true {
            if let end = buffer[max(start, searched)...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = buffer[start..<end]
                start = end + 1
                searched = start
                if line.isEmpty { continue }
                return try Self.event(line)
            }
            searched = buffer.count
            buffer.removeSubrange(..<start)
            searched -= start
            start = 0
            // The actor runs one call at a time but could be re-entered while it waits; its one reader never does that.
            var iterator = iterator
            guard let piece = try await iterator.next(isolation: self) else { return nil }
            buffer += piece
        }
    }

    private static func event(_ line: ArraySlice<UInt8>) throws -> WatchEvent {
        let json: JSON
        do {
            json = try JSON(parsing: line)
        } catch {
            throw KubeError(reason: .decoding, message: "expected a watch event of JSON", cause: error)
        }
        let object = json["object"] ?? .null
        switch json["type"]?.string {
        case "ADDED": return .added(object)
        case "MODIFIED": return .modified(object)
        case "DELETED": return .deleted(object)
        case "BOOKMARK": return .bookmark(object)
        case "ERROR": throw KubeError(statusObject: object)
        case let other: throw KubeError(reason: .decoding, message: "expected a watch event's type, found \(other ?? "none")")
        }
    }
}
