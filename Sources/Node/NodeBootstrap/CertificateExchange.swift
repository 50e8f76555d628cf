public import ClusterTrust
public import KubeClient
public import Logging
import JSONTree
import KubeAPI
import KubeTypes

/// Asks for a certificate and waits for it (kubelet TLS bootstrap).
public struct CertificateExchange: Sendable {
    private let client: KubeClient
    private let logger: Logger

    public init(client: KubeClient, logger: Logger) { (self.client, self.logger) = (client, logger) }

    /// - Parameters:
    ///   - key: whose certificate it is. The same key asks under the same name: a second try goes on where the first ended.
    ///   - request: PEM, made with the key.
    /// - Returns: the certificate, in PEM.
    /// - Throws: ``NodeBootstrapError`` if it is refused; `CancellationError`.
    public func certificate(key: RequestKey, request: String, signer: KubernetesSigner, usages: [String]) async throws -> String {
        let name = (signer == .kubeletServing ? "csr-" : "node-csr-") + key.digest
        do {
            _ = try await client.create(CertificateSigningRequest.resource, Self.object(name, request, signer, usages))
        } catch let error as KubeError where error.isAlreadyExists {
            logger.debug("the certificate request \(name) is there already")
        }
        return try await wait(name, key)
    }

    static func object(_ name: String, _ request: String, _ signer: KubernetesSigner, _ usages: [String]) -> JSON {
        [
            "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": ["name": .string(name)],
            "spec": ["request": .string(Base64.encode(Array(request.utf8))), "signerName": .string(signer.rawValue), "usages": JSON(usages)],
        ]
    }

    private func wait(_ name: String, _ key: RequestKey) async throws -> String {
        let requests = Informer<CertificateSigningRequest>(client, options: .init(fieldSelector: "metadata.name=\(name)"), logger: logger)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await requests.run() }
            defer { group.cancelAll() }
            for await change in requests.changes() {
                if case .deleted = change { throw NodeBootstrapError("the certificate request \(name) was deleted before it was answered: join again") }
                guard let request = change.object, let pem = try Self.outcome(request) else { continue }
                guard key.fits(certificatePEM: pem) else { throw NodeBootstrapError("the certificate for \(name) is for another key: delete the request and join again") }
                return pem
            }
            throw CancellationError()
        }
    }

    /// What came of a request: a certificate, nothing yet, or an error.
    static func outcome(_ request: CertificateSigningRequest) throws -> String? {
        for condition in request.status.conditions where condition.status == "True" {
            let why = "reason: \(condition.reason ?? ""), message: \(condition.message ?? "")"
            if condition.type == "Denied" { throw NodeBootstrapError("certificate signing request \(request.name) is denied, \(why)") }
            if condition.type == "Failed" { throw NodeBootstrapError("certificate signing request \(request.name) failed, \(why)") }
        }
        guard let certificate = request.status.certificate, !certificate.isEmpty else { return nil }
        return String(decoding: certificate, as: UTF8.self)
    }
}
