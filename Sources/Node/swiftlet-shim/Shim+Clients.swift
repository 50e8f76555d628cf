import Glibc
import LinuxSystem
import ShimProtocol

/// Connections: frames in, replies and events out.
extension Shim {
    /// A client that lets this much pile up is cut off; it can ask for the events again.
    private static let maximumPending = 8 << 20
    private static let maximumEvents = 1024

    func serve(_ client: Client, _ ready: Readiness) {
        if ready.contains(.writable) { flush(client) }
        guard !client.isClosed, !ready.intersection([.readable, .hangUp, .error]).isEmpty else { return }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16 << 10, alignment: 8)
        defer { buffer.deallocate() }
        do {
            guard let (count, descriptors) = try client.socket.receive(into: buffer) else { return }
            if count == 0 { return close(client) }
            try client.reader.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]), descriptors: descriptors)
            while !client.isClosed, let frame = try client.reader.next() {
                guard frame.kind == Frame.Kind.command.rawValue else { continue }
                try handle(ShimCommand(decoding: frame.payload), frame.descriptors, from: client)
            }
        } catch {
            close(client) // a broken peer, or bytes that make no sense: nothing to answer to
        }
    }

    private func handle(_ command: ShimCommand, _ descriptors: [FileDescriptor], from client: Client) {
        let request = Request(client: client, id: command.requestID)
        guard let operation = command.request else {
            return reply(request, failure: ShimFailure(step: "unsupported", message: "operation \(command.operation) is not known to this shim (protocol version \(shimProtocolVersion))"))
        }
        do throws(ShimFailure) { try perform(operation, descriptors, request) } catch { reply(request, failure: error) }
    }

    func reply(
        _ request: Request, failure: ShimFailure? = nil, pid: Int32 = 0, containers: [ShimContainer] = [], startedAt: Int64 = 0, descriptors: [FileDescriptor] = []
    ) {
        let reply = ShimReply(request.id, failure: failure, pid: pid, containers: containers, startedAt: startedAt)
        send(Frame(.reply, reply, descriptors: descriptors), to: request.client)
    }

    func send(_ frame: Frame, to client: Client) {
        guard !client.isClosed else { return }
        client.writer.enqueue(frame)
        flush(client)
        if client.writer.pending > Shim.maximumPending { close(client) }
    }

    private func flush(_ client: Client) {
        do throws(SystemError) {
            try client.writer.flush(to: client.socket)
            let wants = !client.writer.isEmpty
            if wants != client.wantsWrite {
                client.wantsWrite = wants
                try poller.modify(client.socket, wants ? [.readable, .writable] : .readable, token: client.token)
            }
        } catch { close(client) }
    }

    /// The agent is gone: what it alone waited for ends, containers go on.
    private func close(_ client: Client) {
        guard !client.isClosed else { return }
        client.isClosed = true
        unregister(client.token, client.socket)
        clients[client.token] = nil
        client.socket.close()
        for exec in execs.values where exec.client === client && exec.plan.killOnDisconnect { kill(exec, SIGKILL) }
    }

    // MARK: Events

    /// Numbers an event, keeps it and sends it to whoever listens.
    func record(_ event: ShimEvent) {
        var event = event
        lastEvent += 1
        event.sequence = lastEvent
        events.append(event)
        if events.count > Shim.maximumEvents { events.removeFirst(events.count - Shim.maximumEvents) }
        for client in Array(clients.values) where client.isSubscribed { send(Frame(.event, event), to: client) }
    }

    func subscribe(_ client: Client, after sequence: UInt64) {
        client.isSubscribed = true
        for event in events where event.sequence > sequence { send(Frame(.event, event), to: client) }
    }

    func acknowledge(upTo sequence: UInt64) {
        events.removeAll { $0.sequence <= sequence }
    }
}
