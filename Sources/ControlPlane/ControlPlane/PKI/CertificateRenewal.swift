public import Logging

/// Renews the cluster's certificates while it runs, by the rules of ``ClusterPKI``: in the last third of their lives. For the
/// process that may read the authority's key. Whoever uses the files takes them up by ``FollowedFiles``.
public struct CertificateRenewal: Sendable {
    private let pki: ClusterPKI
    private let node: String?
    private let nodeAddresses: [String]
    private let clock: any CertificateClock
    private let logger: Logger

    /// - Parameters: as ``ClusterPKI/ensure(node:nodeAddresses:now:)`` has them.
    public init(pki: ClusterPKI, node: String?, nodeAddresses: [String], clock: any CertificateClock = SystemCertificateClock(), logger: Logger) {
        (self.pki, self.node, self.nodeAddresses, self.clock, self.logger) = (pki, node, nodeAddresses, clock, logger)
    }

    /// How often is looked: what a clock that was set, or a machine that slept, has made due is renewed within this time.
    static func period(_ pki: ClusterPKI) -> Duration { min(.seconds(3600), .seconds(pki.leafLifetime / 20)) }

    /// Runs until cancelled.
    public func run() async {
        while (try? await clock.sleep(for: Self.period(pki))) != nil {  // Only cancellation ends a sleep early.
            do {
                try pki.ensure(node: node, nodeAddresses: nodeAddresses, now: clock.now())
            } catch {
                // There is a third of their lives left to put it right.
                logger.error("cannot renew the certificates in \(pki.dataDirectory): \(error)")
            }
        }
    }
}
