internal import PercentEncoding

/// A request to the API server, independent of how it travels.
public struct APIRequest: Sendable, Hashable {
    public enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    /// A name and value, of the query or the headers.
    public struct Pair: Sendable, Hashable {
        public var name: String
        public var value: String

        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    public var method: Method
    /// The path: percent-encoded, without the query.
    public var path: String
    /// The query, not encoded.
    public var query: [Pair]
    /// Headers beside `Content-Type` and `Accept`.
    public var headers: [Pair]
    public var contentType: String?
    public var accept: String
    public var body: [UInt8]?
    /// How long the whole exchange may take, or, for a stream, the head of its response.
    public var timeout: Duration

    public init(
        _ method: Method, _ path: String, query: [Pair] = [], headers: [Pair] = [], contentType: String? = nil,
        accept: String = "application/json", body: [UInt8]? = nil, timeout: Duration = .seconds(30)
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.contentType = contentType
        self.accept = accept
        self.body = body
        self.timeout = timeout
    }

    /// The path and query as they stand in a request line.
    public var target: String {
        guard !query.isEmpty else { return path }
        return path + "?" + query.map { percentEncoded($0.name) + "=" + percentEncoded($0.value) }.joined(separator: "&")
    }
}

/// A whole response.
public struct APIResponse: Sendable {
    public var status: Int
    public var headers: [APIRequest.Pair]
    public var body: [UInt8]

    public init(status: Int, headers: [APIRequest.Pair] = [], body: [UInt8]) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The first value of the header; names are compared without regard to case.
    public func header(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
}

/// A response whose body is still arriving. Dropping the stream, or cancelling the task that reads it, ends the exchange.
public struct APIStream: Sendable {
    public var status: Int
    public var headers: [APIRequest.Pair]
    /// The body's pieces, read on demand; for one reader.
    public var body: AsyncThrowingStream<[UInt8], any Error>

    public init(status: Int, headers: [APIRequest.Pair] = [], body: AsyncThrowingStream<[UInt8], any Error>) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// How requests reach the API server: over the network, or by a call inside the process.
///
/// An answer of any status is returned, not thrown; transports throw `KubeError` with `connection` or `timeout`, and
/// `CancellationError`.
public protocol Transport: Sendable {
    /// Sends the request and reads the whole answer.
    func send(_ request: APIRequest) async throws -> APIResponse
    /// Sends the request and returns when the head of the answer is there: watches, logs.
    func stream(_ request: APIRequest) async throws -> APIStream
}
