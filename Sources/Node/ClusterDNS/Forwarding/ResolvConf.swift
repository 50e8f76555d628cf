import LinuxSystem
import Synchronization

/// The host's list of resolvers, read again when the file has changed: a laptop moves, a lease is renewed.
final class ResolvConf: Sendable {
    private struct State {
        var status: FileStatus?
        var upstreams: [Upstream] = []
    }

    private let path: String
    private let own: Set<Upstream>
    private let state = Mutex(State())

    init(path: String, excluding own: Set<Upstream>) { (self.path, self.own) = (path, own) }

    /// A look at the file costs some microseconds, and is taken only for questions that go out. While the file cannot be read,
    /// as in the moment of its replacement, the last list holds.
    func upstreams() -> [Upstream] {
        state.withLock { state in
            guard let status = try? Files.status(path, follow: true), status != state.status, let bytes = try? Files.read(path, limit: 64 << 10) else {
                return state.upstreams
            }
            state.status = status
            state.upstreams = Upstream.list(resolvConf: String(decoding: bytes, as: UTF8.self), excluding: own)
            return state.upstreams
        }
    }
}
