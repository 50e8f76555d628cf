import ClusterTrust
import KubeTypes

/// Which requests for certificates are approved without asking anybody: those of kubelets for themselves, if who asks may
/// do so. Pure.
struct CertificateApproval: Sendable, Equatable {
    /// What who asks must be allowed to create: the subresource of `certificatesigningrequests`.
    let permission: String
    let message: String

    /// As a node that renews its certificate.
    static let selfNodeClient = CertificateApproval(
        permission: "selfnodeclient", message: "Auto approving self kubelet client certificate after SubjectAccessReview.")
    /// As a node that has none yet.
    static let nodeClient = CertificateApproval(
        permission: "nodeclient", message: "Auto approving kubelet client certificate after SubjectAccessReview.")

    /// The approvals that a request may have, in the order in which they are tried.
    static func candidates(_ request: CertificateSigningRequest) -> [CertificateApproval] {
        guard !request.isDecided, request.status.certificate?.isEmpty != false, request.spec.signerName == KubernetesSigner.kubeletClient.rawValue,
            let asked = request.asked, KubernetesSigner.kubeletClient.problem(with: asked, usages: request.spec.usages) == nil
        else { return [] }
        return (request.spec.username == asked.commonName ? [selfNodeClient] : []) + [nodeClient]
    }
}

extension CertificateSigningRequest {
    func condition(_ type: String) -> CertificateSigningRequestCondition? { status.conditions.first { $0.type == type && $0.status == "True" } }

    var isApproved: Bool { condition("Approved") != nil && condition("Denied") == nil }
    var isDecided: Bool { condition("Approved") != nil || condition("Denied") != nil }

    /// What is asked for; nil if it cannot be read, which the server does not let happen.
    var asked: CertificateRequest? { try? CertificateRequest(pem: String(decoding: spec.request ?? [], as: UTF8.self)) }
}
