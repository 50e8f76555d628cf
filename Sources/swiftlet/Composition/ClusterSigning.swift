import ControlPlane
import Controllers
import KubeClient
import LinuxSystem
import Logging

/// Signs the certificates of nodes in the process that may read the authority's key: root's, not the control plane's.
struct ClusterSigning: Sendable {
    /// The directory of `ca.crt`, `ca.key` and `signer.kubeconfig`.
    private let directory: String
    /// How long certificates are valid at most, in seconds.
    private let lifetime: Int
    private let logger: Logger

    /// Nil on a machine without the authority's key: its cluster's control plane is elsewhere.
    init?(directory: String, lifetime: Double = CertificateAuthority.leafLifetime, logger: Logger) {
        guard Files.exists(directory + "/ca.key"), Files.exists(directory + "/signer.kubeconfig") else { return nil }
        (self.directory, self.lifetime, self.logger) = (directory, Int(lifetime), logger)
    }

    /// Runs until cancelled. The node and its pods do not depend on it: what goes wrong is said, and tried again.
    func run() async {
        while !Task.isCancelled {
            do { try await serve() } catch { logger.error("no certificates are signed here, trying again in a minute: \(error)") }
            try? await Task.sleep(for: .seconds(60))  // Only cancellation ends a sleep early.
        }
    }

    private func serve() async throws {
        let path = directory + "/signer.kubeconfig"
        let authority = try CertificateAuthority(
            certificatePEM: Files.readString(directory + "/ca.crt"), keyPEM: Files.readString(directory + "/ca.key"))
        let transport = try NetworkTransport(kubeconfig: Kubeconfig(path: path))
        let signer = CertificateSigner(client: KubeClient(transport: transport), authority: authority, longestSeconds: lifetime, logger: logger)
        let credentials = FollowedFiles([path], logger: logger)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await signer.run() }
            group.addTask { await credentials.run { _ in try transport.replaceCredentials(Kubeconfig(path: path)) } }
        }
        try await transport.shutdown()
    }
}
