import Glibc
import LinuxSystem

extension NodeRuntime {
    public func openSocket(in sandbox: String, _ family: SocketFamily) async throws -> Int32 {
        guard let found = registryEntry(of: sandbox) else { throw RuntimeError(.notFound, "sandbox \(sandbox) does not exist") }
        return try await blocking { try await found.openSocket(family) }
    }
}

extension Sandbox {
    /// A socket belongs to the network namespace of the thread that makes it, whoever uses it later.
    func openSocket(_ family: SocketFamily) throws(RuntimeError) -> Int32 {
        _ = try requireReady()
        let (path, isOnHost) = (network, record.configuration.hostNetwork)
        return try services.step(.execFailed, "make a socket in the pod's network") {
            let make: @Sendable () throws -> Int32 = { try InternetSockets.stream(isIPv6: family == .ipv6).release() }
            return isOnHost ? try make() : try Namespaces.inside(path, .network, make)
        }
    }
}
