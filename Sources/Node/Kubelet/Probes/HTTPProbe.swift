import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOSSL
import Synchronization

/// An HTTP GET: healthy when a status from 200 to 399 comes in time. Certificates are not verified, as Kubernetes has it.
final class HTTPProbe: Sendable {
    private enum State {
        /// Nothing has been asked yet.
        case idle
        case open(HTTPClient)
        case closed
    }
    private let state = Mutex(State.idle)

    /// The client for every probe, made with the first one; nil after the end.
    private func client() -> HTTPClient? {
        state.withLock { state in
            switch state {
            case .closed: return nil
            case .open(let client): return client
            case .idle:
                let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: Self.configuration)
                state = .open(client)
                return client
            }
        }
    }

    private static var configuration: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.tlsConfiguration = .makeClientConfiguration()
        configuration.tlsConfiguration?.certificateVerification = .none
        // A redirect is an answer: nothing of the node may be reached through a pod's redirect.
        configuration.redirectConfiguration = .disallow
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.httpVersion = .http1Only
        return configuration
    }

    func shutdown() async throws {
        let open = state.withLock { state -> HTTPClient? in
            defer { state = .closed }
            return if case .open(let client) = state { client } else { nil }
        }
        try await open?.shutdown()
    }

    func run(scheme: String, host: String, port: Int, path: String, headers: [ProbeSpec.Header], timeout: Duration) async -> ProbeOutcome {
        let authority = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        let url = "\(scheme.lowercased())://\(authority)\(path.hasPrefix("/") ? path : "/" + path)"
        var request = HTTPClientRequest(url: url)
        request.headers = ["User-Agent": "kube-probe/1.36", "Accept": "*/*", "Connection": "close"]
        for header in headers {
            if header.name.lowercased() == "host" || request.headers.contains(name: header.name) {
                request.headers.replaceOrAdd(name: header.name, value: header.value)
            } else {
                request.headers.add(name: header.name, value: header.value)
            }
        }
        // An empty value takes the default header away.
        for name in ["User-Agent", "Accept"] where request.headers.first(name: name)?.isEmpty == true { request.headers.remove(name: name) }
        guard let client = client() else { return .error("the agent is stopping") }
        do {
            let response = try await client.execute(request, timeout: TimeAmount(timeout))
            let status = response.status.code
            return (200..<400).contains(status) ? .success : .failure(output: "HTTP probe failed with statuscode: \(status)")
        } catch let error as HTTPClientError where error == .deadlineExceeded || error == .connectTimeout || error == .readTimeout {
            return .failure(output: "Get \"\(url)\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
        } catch {
            return .failure(output: "Get \"\(url)\": dial tcp \(authority): \(ConnectionFailure.describe(error))")
        }
    }
}
