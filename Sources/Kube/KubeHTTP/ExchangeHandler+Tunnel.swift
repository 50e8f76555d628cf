import NIOCore
import NIOHTTP1

extension ExchangeLink {
    /// Passes the request on to a backend and its answer back.
    func tunnel(to target: TunnelTarget, _ request: ServerRequest) async {
        do {
            let backend = try await TunnelBackend.connect(
                to: target, readAhead: connection.configuration.limits.readAhead, on: eventLoop)
            // A client that leaves takes the backend's connection with it.
            try await withTaskCancellationHandler {
                try await exchange(with: backend, target, request)
            } onCancel: {
                backend.channel.close(promise: nil)
            }
        } catch {
            let failure = error as? HTTPServerError ?? HTTPServerError(.backendUnreachable, "the backend did not answer", cause: error)
            await deliver(await target.onFailure(failure), to: request)
        }
    }

    /// Throws only before the client has been answered.
    private func exchange(with backend: TunnelBackend, _ target: TunnelTarget, _ request: ServerRequest) async throws {
        let upgrades = await (try? eventLoop.submit { handler.value.canUpgrade }.get()) ?? false
        let head: HTTPResponseHead
        do {
            try await backend.send(target.requestHead(for: request, upgrades: upgrades), upgrades ? .empty : request.body)
            head = try await backend.response(within: target.responseTimeout)
        } catch {
            backend.channel.close(promise: nil)
            throw error
        }
        if head.status == .switchingProtocols {
            try await eventLoop.submit { try glue(to: backend, head) }.get()
        } else {
            await stream(head.status, head.headers.withoutHopByHop()) { writer in
                while let piece = try await backend.body.next() { try await writer.write(piece) }
            }
            backend.channel.close(promise: nil)
        }
    }

    /// On the event loop.
    private func glue(to backend: TunnelBackend, _ head: HTTPResponseHead) throws {
        let (front, back) = GlueHandler.pair()
        do {
            guard handler.value.canUpgrade else {
                throw HTTPServerError(.clientGone, "the backend has switched protocols, but the client cannot")
            }
            let backendDone = try backend.becomePipe(back)
            let (channel, frontDone) = try handler.value.upgrade(headers: head.headers, to: [front])
            try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
            backend.channel.read()
            let ends = NIOLoopBound((front, back), eventLoop: eventLoop)
            frontDone.and(backendDone).whenComplete { _ in
                ends.value.0.start()
                ends.value.1.start()
            }
        } catch {
            backend.channel.close(promise: nil)
            throw error
        }
    }
}

extension TunnelTarget {
    func requestHead(for request: ServerRequest, upgrades: Bool) -> HTTPRequestHead {
        var headers = headers ?? request.headers.withoutCredentials()
        let upgrade = headers["upgrade"].first
        headers = headers.withoutHopByHop()
        headers.remove(name: "expect")
        if upgrades, let upgrade {
            headers.add(name: "connection", value: "Upgrade")
            headers.add(name: "upgrade", value: upgrade)
        } else {
            headers.add(name: "connection", value: "close")
        }
        let isAddressV6 = host.contains(":") && !host.hasPrefix("[")
        headers.replaceOrAdd(name: "host", value: (isAddressV6 ? "[\(host)]" : host) + ":\(port)")
        return HTTPRequestHead(version: .http1_1, method: request.method, uri: uri, headers: headers)
    }
}

extension HTTPHeaders {
    private static let hopByHop: Set<String> = [
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade",
    ]

    /// Without what concerns one connection only (RFC 9110, section 7.6.1).
    func withoutHopByHop() -> HTTPHeaders {
        let named = Set(self[canonicalForm: "connection"].map { $0.lowercased() })
        return HTTPHeaders(filter { name, _ in
            let name = name.lowercased()
            return !Self.hopByHop.contains(name) && !named.contains(name)
        }.map { ($0.name, $0.value) })
    }

    /// Without what lets the client act as itself, or as another, at the backend: the backend trusts the tunnel's own
    /// certificate.
    func withoutCredentials() -> HTTPHeaders {
        HTTPHeaders(filter { name, value in
            let name = name.lowercased()
            return name != "authorization" && name != "cookie" && !name.hasPrefix("impersonate-") && !name.hasPrefix("x-remote-")
        }.map { ($0.name, $0.value) })
    }
}
