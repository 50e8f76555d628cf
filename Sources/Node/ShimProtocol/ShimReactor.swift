import Glibc
import LinuxSystem
import Synchronization

/// One thread with one epoll for every ``ShimConnection`` of the process.
final class ShimReactor: Sendable {
    /// Made with the first connection; the error stays if the kernel refuses, since nothing would change it.
    static let shared: Result<ShimReactor, SystemError> = {
        do throws(SystemError) { return .success(try ShimReactor()) } catch { return .failure(error) }
    }()

    private struct Registry {
        var connections: [UInt64: ShimConnection] = [:]
        var tokens: [ObjectIdentifier: UInt64] = [:]
        var next: UInt64 = 1
    }
    private let poller: Poller
    private let registry = Mutex(Registry())

    private init() throws(SystemError) {
        poller = try Poller()
        // The thread lives as long as the process: connections come and go, an idle epoll costs a stack.
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let error = pthread_create(&thread, nil, { raw in
            Unmanaged<ShimReactor>.fromOpaque(raw!).takeRetainedValue().run()
            return nil
        }, context.toOpaque())
        guard error == 0 else {
            context.release()
            throw SystemError(operation: "pthread_create", errno: error)
        }
        pthread_detach(thread)
    }

    private func run() {
        while true {
            let events: [(token: UInt64, ready: Readiness)]
            do throws(SystemError) { events = try poller.wait(maximum: 64) } catch { return } // the epoll descriptor is ours: cannot happen
            for event in events {
                registry.withLock { $0.connections[event.token] }?.ready(event.ready)
            }
        }
    }

    func add(_ connection: ShimConnection) throws(SystemError) {
        let token = registry.withLock { registry in
            let token = registry.next
            registry.next += 1
            registry.connections[token] = connection
            registry.tokens[ObjectIdentifier(connection)] = token
            return token
        }
        try poller.add(connection.socket, .readable, token: token)
    }

    static func update(_ connection: ShimConnection, writing: Bool) {
        guard case .success(let reactor) = shared, let token = reactor.registry.withLock({ $0.tokens[ObjectIdentifier(connection)] }) else { return }
        try? reactor.poller.modify(connection.socket, writing ? [.readable, .writable] : .readable, token: token) // closed meanwhile: nothing to write
    }

    static func remove(_ connection: ShimConnection) {
        guard case .success(let reactor) = shared else { return }
        reactor.registry.withLock { registry in
            guard let token = registry.tokens.removeValue(forKey: ObjectIdentifier(connection)) else { return }
            registry.connections[token] = nil
        }
        try? reactor.poller.remove(connection.socket) // it may not have got that far
        connection.socket.close()
    }
}

/// The meeting place of ``ShimConnection/call(_:descriptors:)`` and the reactor's thread: a semaphore to block on.
/// Unchecked because of the pointer, which never changes; sem_t is made for several threads.
final class CallBox: @unchecked Sendable {
    typealias Answer = Result<(reply: ShimReply, descriptors: [FileDescriptor]), ShimError>
    private let answer = Mutex<Answer?>(nil)
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        semaphore = .allocate(capacity: 1)
        sem_init(semaphore, 0, 0)
    }
    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func fulfil(_ result: Result<(ShimReply, [FileDescriptor]), ShimError>) {
        answer.withLock { $0 = result.map { (reply: $0.0, descriptors: $0.1) } }
        sem_post(semaphore)
    }

    func wait() -> Answer {
        while sem_wait(semaphore) != 0 {} // EINTR
        return answer.withLock { $0 } ?? .failure(ShimError(.disconnected, "no answer"))
    }
}
