import APIServer
import JSONTree
import KubeAPI
import KubeHTTP
import Logging
import NIOHTTP1
import Storage
import Synchronization
import Testing

/// A server without sockets: requests go to the handler, answers come back as values.
final class TestServer: Sendable {
    let storage: SQLiteStorage
    let server: APIServer
    let clock: TestClock

    /// 2026-01-02T03:04:05Z
    static let start: Int64 = 1_767_323_045

    init(storage: SQLiteStorage? = nil, services: ServiceRanges = .standard) async throws {
        let clock = TestClock(Self.start)
        self.clock = clock
        self.storage = try storage ?? SQLiteStorage.inMemory()
        let configuration = APIServerConfiguration(
            nodes: NodeConnection(tls: nil), services: services, now: { Time(seconds: clock.seconds) }, logger: Logger(label: "test"))
        server = try await APIServer.start(storage: self.storage, configuration: configuration)
    }

    /// Sends a request as an administrator, unless another certificate is given.
    func call(
        _ method: HTTPMethod, _ target: String, _ body: JSON? = nil, type: String = "application/json", accept: String? = nil,
        as certificate: ClientCertificate? = .admin
    ) async -> Answer {
        await Answer(respond(method, target, body.map { $0.bytes() } ?? [], type: type, accept: accept, as: certificate))
    }

    func respond(
        _ method: HTTPMethod, _ target: String, _ body: [UInt8] = [], type: String = "application/json", accept: String? = nil,
        as certificate: ClientCertificate? = .admin
    ) async -> ServerResponse {
        var headers: HTTPHeaders = [:]
        if !body.isEmpty { headers.add(name: "Content-Type", value: type) }
        if let accept { headers.add(name: "Accept", value: accept) }
        let parts = target.split(separator: "?", maxSplits: 1)
        let query = parts.count == 2 ? QueryItems(parsing: parts[1]) : [:]
        return await server.respond(
            to: ServerRequest(
                method: method, path: String(parts[0]), query: query, headers: headers, clientCertificate: certificate, body: .bytes(body)))
    }

    func get(_ target: String, accept: String? = nil, as certificate: ClientCertificate? = .admin) async -> Answer {
        await call(.GET, target, accept: accept, as: certificate)
    }

    /// Creates an object and returns it.
    @discardableResult
    func create(_ target: String, _ body: JSON) async throws -> JSON {
        let answer = await call(.POST, target, body)
        try #require(answer.status == 201, "\(answer.json)")
        return answer.json
    }

    /// Opens a watch.
    func watch(_ target: String, accept: String? = nil) async throws -> WatchReader {
        let response = await respond(.GET, target, accept: accept)
        guard case .stream(_, _, let produce) = response else {
            let answer = await Answer(response)
            throw TestFailure(description: "expected a stream, found \(answer.status) \(answer.json)")
        }
        return WatchReader(produce)
    }
}

struct TestFailure: Error, CustomStringConvertible {
    let description: String
}

extension ClientCertificate {
    static let admin = ClientCertificate(commonName: "kubernetes-admin", organizations: ["system:masters"])
}

final class TestClock: Sendable {
    private let value: Mutex<Int64>
    init(_ seconds: Int64) { value = Mutex(seconds) }
    var seconds: Int64 { value.withLock { $0 } }
    func advance(_ seconds: Int64) { value.withLock { $0 += seconds } }
}

/// A whole response.
struct Answer: Sendable {
    let status: Int
    let headers: HTTPHeaders
    let bytes: [UInt8]
    var tunnel: TunnelTarget?

    init(_ response: ServerResponse) async {
        switch response {
        case .full(let status, let headers, let body):
            self.status = Int(status.code)
            self.headers = headers
            bytes = body
        case .stream(let status, let headers, let produce):
            let collected = Mutex<[UInt8]>([])
            try? await produce(ResponseWriter { piece in collected.withLock { $0 += piece } })
            self.status = Int(status.code)
            self.headers = headers
            bytes = collected.withLock { $0 }
        case .tunnel(let target):
            status = 0
            headers = [:]
            bytes = []
            tunnel = target
        case .webSocket, .upgrade:
            status = 101
            headers = [:]
            bytes = []
        }
    }

    var json: JSON { (try? JSON(parsing: bytes)) ?? .null }
    var text: String { String(decoding: bytes, as: UTF8.self) }
    var message: String { json["message"]?.string ?? "" }
    var reason: String { json["reason"]?.string ?? "" }
    var names: [String] { (json["items"]?.array ?? []).compactMap { $0[path: "metadata", "name"]?.string } }
    /// The causes of a 422 as `field: message`.
    var causes: [String] {
        (json[path: "details", "causes"]?.array ?? []).map { "\($0["field"]?.string ?? ""): \($0["message"]?.string ?? "")" }
    }
}

extension JSON {
    var name: String { self[path: "metadata", "name"]?.string ?? "" }
    var version: String { self[path: "metadata", "resourceVersion"]?.string ?? "" }
    var uid: String { self[path: "metadata", "uid"]?.string ?? "" }

    /// The object with a value at a path of members.
    func with(_ value: JSON?, at path: String...) -> JSON { with(value, at: path[...]) }

    private func with(_ value: JSON?, at path: ArraySlice<String>) -> JSON {
        var copy = self
        guard let first = path.first else { return value ?? .null }
        if path.count == 1 { copy[first] = value } else { copy[first] = (self[first] ?? [:]).with(value, at: path.dropFirst()) }
        return copy
    }

    static func pod(_ name: String, labels: JSON = [:], image: String = "nginx:1") -> JSON {
        [
            "apiVersion": "v1", "kind": "Pod", "metadata": ["name": .string(name), "labels": labels],
            "spec": ["containers": [["name": "main", "image": .string(image)]]],
        ]
    }

    static func configMap(_ name: String, _ data: JSON = ["a": "1"]) -> JSON {
        ["apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": .string(name)], "data": data]
    }
}

/// Reads the events of a watch, line by line. The watch ends with the reader.
final class WatchReader: Sendable {
    private let lines: AsyncStream<JSON>
    private let task: Task<Void, Never>
    private let iterator: Mutex<[JSON]> = Mutex([])

    init(_ produce: @escaping @Sendable (ResponseWriter) async throws -> Void) {
        let (stream, continuation) = AsyncStream.makeStream(of: JSON.self)
        lines = stream
        task = Task {
            // The end of a watch, however it comes, is the end of its lines.
            try? await produce(ResponseWriter { piece in
                for line in piece.split(separator: UInt8(ascii: "\n")) { continuation.yield((try? JSON(parsing: Array(line))) ?? .null) }
            })
            continuation.finish()
        }
    }

    deinit { task.cancel() }

    func cancel() { task.cancel() }

    /// The next events, so many.
    func next(_ count: Int) async -> [JSON] {
        var result: [JSON] = []
        guard count > 0 else { return [] }
        for await line in lines {
            result.append(line)
            if result.count == count { break }
        }
        return result
    }

    /// The next events as `TYPE name`.
    func short(_ count: Int) async -> [String] {
        await next(count).map { "\($0["type"]?.string ?? "?") \($0["object"]?.name ?? "?")" }
    }
}

let pods = "/api/v1/namespaces/default/pods"
let configMaps = "/api/v1/namespaces/default/configmaps"
let namespaces = "/api/v1/namespaces"
let nodes = "/api/v1/nodes"
