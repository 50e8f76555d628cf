import JSONTree
import KubeClient
import Synchronization

/// A transport that plays a script: each request takes the next step, and what was asked is recorded.
final class ScriptedTransport: Transport {
    enum Step: Sendable {
        /// A whole answer.
        case answer(Int, JSON)
        /// The lines of a watch, in arbitrary pieces; then the end, or an error.
        case watch([String], failing: Bool = false)
        /// A watch that stays open after its lines.
        case open([String])
        /// No connection.
        case refuse
    }

    private let steps: Mutex<[Step]>
    private let asked = Mutex<[String]>([])

    init(_ steps: [Step]) {
        self.steps = Mutex(steps)
    }

    var log: [String] { asked.withLock { $0 } }

    private func next(_ request: APIRequest) throws -> Step {
        asked.withLock { $0.append("\(request.method.rawValue) \(request.target)") }
        guard let step = steps.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else {
            // The script is over: nothing more happens.
            return .open([])
        }
        if case .refuse = step { throw KubeError(reason: .connection, message: "refused") }
        return step
    }

    func send(_ request: APIRequest) async throws -> APIResponse {
        guard case .answer(let status, let json) = try next(request) else { throw KubeError(reason: .connection, message: "expected no request") }
        return APIResponse(status: status, body: json.bytes())
    }

    func stream(_ request: APIRequest) async throws -> APIStream {
        switch try next(request) {
        case .answer(let status, let json):
            return APIStream(status: status, body: AsyncThrowingStream { continuation in
                continuation.yield(json.bytes())
                continuation.finish()
            })
        case .watch(let pieces, let failing):
            return APIStream(status: 200, body: AsyncThrowingStream { continuation in
                for piece in pieces { continuation.yield(Array(piece.utf8)) }
                continuation.finish(throwing: failing ? KubeError(reason: .connection, message: "broke") : nil)
            })
        case .open(let pieces):
            return APIStream(status: 200, body: AsyncThrowingStream { continuation in
                for piece in pieces { continuation.yield(Array(piece.utf8)) }
            })
        case .refuse: throw KubeError(reason: .connection, message: "refused")
        }
    }
}

/// ConfigMaps as the server writes them.
func configMap(_ name: String, _ version: Int, uid: String? = nil, value: String = "") -> JSON {
    ["apiVersion": "v1", "kind": "ConfigMap", "metadata": ["name": .string(name), "namespace": "d", "uid": .string(uid ?? name), "resourceVersion": .string(String(version))], "data": ["v": .string(value)]]
}

func line(_ type: String, _ object: JSON) -> String {
    String(decoding: (["type": .string(type), "object": object] as JSON).bytes(), as: UTF8.self) + "\n"
}

func listOf(_ version: Int, _ objects: JSON...) -> JSON {
    ["kind": "ConfigMapList", "apiVersion": "v1", "metadata": ["resourceVersion": .string(String(version))], "items": .array(objects)]
}

let gone: JSON = ["kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"]
