public import LinuxSystem
import Synchronization

/// The agent's side of one shim's socket.
///
/// Deliberately without `async`: this module is linked into the shim, whose static program must not pull in the
/// concurrency runtime. Results and events arrive by callback on one thread that all connections of the process share;
/// a callback must not block (hand over to a continuation or an `AsyncStream` and return). Requests may be sent from
/// any thread and never block.
public final class ShimConnection: Sendable {
    public typealias Completion = @Sendable (Result<ShimReply, ShimError>, [FileDescriptor]) -> Void

    struct State {
        var writer = FrameWriter()
        var reader = FrameReader()
        var nextID: UInt32 = 1
        var waiting: [UInt32: Completion] = [:]
        var closed = false
        var wantsWrite = false
    }

    /// What the shim said of itself.
    public let hello: ShimHello
    /// Readable when the shim has died; for signals to the shim itself.
    public let pidfd: FileDescriptor
    let socket: FileDescriptor
    let state: Mutex<State>
    private let onEvent: @Sendable (ShimEvent) -> Void
    private let onClose: @Sendable (ShimError) -> Void

    /// Connects to the shim of a pod's directory and reads its greeting (blocks for that long).
    /// - Parameters:
    ///   - timeout: for the whole greeting. A shim that is stopped accepts connections by its queue and stays silent.
    ///   - onEvent: every event after ``ShimRequest/subscribe(after:)``, in order of their sequence numbers.
    ///   - onClose: called once, after every waiting completion has failed.
    /// - Throws: `notRunning` if no shim listens, `silent` if it does not answer in time.
    public static func connect(
        directory path: String, timeout: Duration = .seconds(5), onEvent: @escaping @Sendable (ShimEvent) -> Void, onClose: @escaping @Sendable (ShimError) -> Void
    ) throws(ShimError) -> ShimConnection {
        do throws(any Error) {
            let directory = try openFile(path, [.path, .directory])
            let socket: FileDescriptor
            do throws(SystemError) { socket = try UnixSockets.connect(ShimLauncher.socketName, in: directory, nonBlocking: true) } catch {
                // ECONNREFUSED and ENOENT: nobody holds the socket.
                if error.errno == 111 || error.errno == 2 { throw ShimError(.notRunning, "no shim listens in \(path)", cause: error) }
                // EAGAIN: it has not accepted anybody for so long that its queue is full.
                if error.errno == 11 { throw ShimError(.silent, "the shim in \(path) accepts no more connections", cause: error) }
                throw error
            }
            // The peer's pid is that of the process that called listen, and the connection proves that it lives.
            let peer = try socket.peer()
            let pidfd = try Processes.openPidfd(peer.pid)
            let hello = try Greeting(socket, path, timeout).read()
            let connection = ShimConnection(socket: socket, pidfd: pidfd, hello: hello, onEvent: onEvent, onClose: onClose)
            try ShimReactor.shared.get().add(connection)
            return connection
        } catch let error as SystemError {
            throw ShimError(error)
        } catch let error as ShimError {
            throw error
        } catch { throw ShimError(.protocolViolation, "\(error)") }
    }

    private init(socket: FileDescriptor, pidfd: FileDescriptor, hello: ShimHello,
                 onEvent: @escaping @Sendable (ShimEvent) -> Void, onClose: @escaping @Sendable (ShimError) -> Void) {
        (self.socket, self.pidfd, self.hello, self.onEvent, self.onClose) = (socket, pidfd, hello, onEvent, onClose)
        state = Mutex(State())
    }

    /// Sends a request; `completion` is called exactly once, with the reply or why there is none. Descriptors are
    /// duplicated by the kernel; the caller's copies are closed when nobody holds them.
    public func send(_ request: ShimRequest, descriptors: [FileDescriptor] = [], completion: @escaping Completion) {
        let problem: ShimError? = state.withLock { state in
            if state.closed { return ShimError(.disconnected, "the connection to the shim is closed") }
            let id = state.nextID
            state.nextID = id == .max ? 1 : id + 1
            let frame = Frame(.command, ShimCommand(id, request), descriptors: descriptors)
            guard frame.payload.count <= Frame.maximumPayload else {
                return ShimError(.protocolViolation, "expected a plan of at most \(Frame.maximumPayload) bytes, found \(frame.payload.count)")
            }
            state.waiting[id] = completion
            state.writer.enqueue(frame)
            // A broken socket shows up as an event too, which fails every waiting request.
            if !state.wantsWrite { try? state.writer.flush(to: socket) }
            if !state.writer.isEmpty, !state.wantsWrite {
                state.wantsWrite = true
                ShimReactor.update(self, writing: true)
            }
            return nil
        }
        if let problem { completion(.failure(problem), []) }
    }

    /// Sends a request and blocks until its reply: for tests and threads of one's own, never on the reactor's thread.
    public func call(_ request: ShimRequest, descriptors: [FileDescriptor] = []) throws(ShimError) -> (reply: ShimReply, descriptors: [FileDescriptor]) {
        let box = CallBox()
        send(request, descriptors: descriptors) { result, descriptors in box.fulfil(result.map { ($0, descriptors) }) }
        return try box.wait().get()
    }

    /// Closes; waiting requests fail with `disconnected`. The shim and its containers go on.
    public func close() { fail(ShimError(.disconnected, "the connection was closed")) }

    /// On the reactor's thread.
    func ready(_ readiness: Readiness) {
        if readiness.contains(.writable) { flush() }
        if !readiness.intersection([.readable, .hangUp, .error, .readHangUp]).isEmpty { receive() }
    }

    private func flush() {
        let error: SystemError? = state.withLock { state in
            do throws(SystemError) { try state.writer.flush(to: socket) } catch { return error }
            if state.writer.isEmpty, state.wantsWrite {
                state.wantsWrite = false
                ShimReactor.update(self, writing: false)
            }
            return nil
        }
        if let error { fail(ShimError(.disconnected, error.description, cause: error)) }
    }

    private func receive() {
        var buffer = [UInt8](repeating: 0, count: 16384)
        do {
            guard let (count, descriptors) = try buffer.withUnsafeMutableBytes({ try socket.receive(into: $0) }) else { return }
            if count == 0 { return fail(ShimError(.disconnected, "the shim closed the connection")) }
            let frames = try state.withLock { state in
                try buffer.withUnsafeBytes { try state.reader.append(UnsafeRawBufferPointer(rebasing: $0[..<count]), descriptors: descriptors) }
                var frames: [Frame] = []
                while let frame = try state.reader.next() { frames.append(frame) }
                return frames
            }
            for frame in frames { try handle(frame) }
        } catch let error as SystemError {
            fail(ShimError(.disconnected, error.description, cause: error))
        } catch {
            fail(ShimError(.protocolViolation, "\(error)"))
        }
    }

    private func handle(_ frame: Frame) throws {
        switch Frame.Kind(rawValue: frame.kind) {
        case .reply:
            let reply = try ShimReply(decoding: frame.payload)
            let completion = state.withLock { $0.waiting.removeValue(forKey: reply.requestID) }
            if let failure = reply.failure { completion?(.failure(ShimError(failure)), frame.descriptors) } else { completion?(.success(reply), frame.descriptors) }
        case .event: onEvent(try ShimEvent(decoding: frame.payload))
        default: break // from a newer shim
        }
    }

    private func fail(_ error: ShimError) {
        let waiting: [Completion]? = state.withLock { state in
            if state.closed { return nil }
            state.closed = true
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        guard let waiting else { return }
        ShimReactor.remove(self)
        for completion in waiting { completion(.failure(ShimError(.disconnected, error.message, cause: error.cause)), []) }
        onClose(error)
    }
}
