/// The body of a request, read on demand: what is not asked for is not read from the network.
public struct RequestBody: Sendable {
    private let read: @Sendable () async throws -> [UInt8]?
    /// The length that the client announced, if it did.
    public let announcedLength: Int?

    /// A body that `read` delivers piece by piece, and `nil` at its end.
    public init(announcedLength: Int? = nil, read: @escaping @Sendable () async throws -> [UInt8]?) {
        self.announcedLength = announcedLength
        self.read = read
    }

    /// A body that is in memory already.
    public static func bytes(_ bytes: [UInt8]) -> RequestBody {
        let queue = InboundQueue<[UInt8]>(highWatermark: .max, lowWatermark: .max) {}
        if !bytes.isEmpty { _ = queue.push(bytes, size: bytes.count) }
        queue.finish(throwing: nil)
        return RequestBody(announcedLength: bytes.count) { try await queue.next() }
    }

    /// No body.
    public static let empty = RequestBody(announcedLength: 0) { nil }

    /// The next piece, or `nil` at the end. For one reader at a time.
    public func next() async throws -> [UInt8]? {
        try await read()
    }

    /// Reads the whole body.
    /// - Parameter limit: The number of bytes that are accepted.
    /// - Throws: `HTTPServerError` with `bodyTooLarge` when it is longer, `clientGone` or `timeout` when it does not arrive.
    public func collect(upTo limit: Int) async throws -> [UInt8] {
        if let announcedLength, announcedLength > limit { throw Self.tooLarge(limit) }
        var result: [UInt8] = []
        while let piece = try await read() {
            guard result.count + piece.count <= limit else { throw Self.tooLarge(limit) }
            if result.isEmpty { result = piece } else { result += piece }
        }
        return result
    }

    private static func tooLarge(_ limit: Int) -> HTTPServerError {
        HTTPServerError(.bodyTooLarge, "the request's body is larger than the limit of \(limit) bytes")
    }
}
