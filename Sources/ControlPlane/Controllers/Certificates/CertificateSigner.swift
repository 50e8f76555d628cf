public import ClusterTrust
public import KubeAPI
public import KubeClient
public import Logging
import JSONTree
import KubeTypes

/// Whoever has the key of the cluster's authority.
public protocol CertificateSigningAuthority: Sendable {
    /// Signs what is asked for, with its subject and names.
    /// - Parameters:
    ///   - usages: as `spec.usages` has them.
    ///   - seconds: how long the certificate is valid.
    /// - Returns: PEM.
    func certificate(for request: CertificateRequest, usages: [String], seconds: Int, now: Time) throws -> String
}

/// Signs approved requests for the signers of ``KubernetesSigner``. It runs where the authority's key may be read, which need not
/// be where the other controllers run.
public struct CertificateSigner: Controller {
    private let client: KubeClient
    private let authority: any CertificateSigningAuthority
    private let longestSeconds: Int
    private let clock: ControllerClock
    private let logger: Logger

    /// Shorter ones are refused by the server.
    private static let shortestSeconds = 600

    /// - Parameters:
    ///   - client: acts as the service account `certificate-controller`.
    ///   - longestSeconds: how long a certificate is valid at most, and if the request says nothing of it.
    public init(client: KubeClient, authority: any CertificateSigningAuthority, longestSeconds: Int, logger: Logger) {
        self.init(client: client, authority: authority, longestSeconds: longestSeconds, clock: .system, logger: logger)
    }

    init(client: KubeClient, authority: any CertificateSigningAuthority, longestSeconds: Int, clock: ControllerClock, logger: Logger) {
        (self.client, self.authority, self.longestSeconds, self.clock, self.logger) = (client, authority, longestSeconds, clock, logger)
    }

    public func run() async {
        let requests = Informer<CertificateSigningRequest>(client, logger: logger)
        let queue = RetryingQueue<String>(clock: clock, logger: logger)
        let source = ChangeSource(requests) { change in
            if let request = change.object { queue.add(request.name) }
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await requests.run() }
            group.addTask { await Following.run([source]) { await queue.run { try await sign($0, requests) } } }
        }
    }

    private func sign(_ name: String, _ requests: Informer<CertificateSigningRequest>) async throws -> WorkResult {
        guard let request = requests.object(name: name), request.isApproved, request.condition("Failed") == nil,
            request.status.certificate?.isEmpty != false, let signer = KubernetesSigner(rawValue: request.spec.signerName), let asked = request.asked
        else { return .done }
        var status: JSON
        if let problem = signer.problem(with: asked, usages: request.spec.usages) {
            let conditions = request.status.conditions.map(\.json) + [[
                "type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": .string(problem),
            ]]
            status = ["conditions": .array(conditions)]
        } else {
            let pem = try authority.certificate(for: asked, usages: request.spec.usages, seconds: seconds(request.spec.expirationSeconds), now: clock.now())
            status = ["certificate": .string(Base64.encode(Array(pem.utf8)))]
        }
        try await ignoringNotFound {
            _ = try await client.patch(
                CertificateSigningRequest.resource, name: name, subresource: "status", ["metadata": MergePatch.condition(request), "status": status])
        }
        logger.info("\(status["certificate"] == nil ? "refused to sign" : "signed") the certificate request \(name) for \(asked.commonName)")
        return .done
    }

    private func seconds(_ asked: Int?) -> Int { min(max(asked ?? longestSeconds, Self.shortestSeconds), longestSeconds) }
}
