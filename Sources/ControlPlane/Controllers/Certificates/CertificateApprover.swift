import JSONTree
import KubeClient
import KubeTypes
import Logging

/// Approves what ``CertificateApproval`` allows, after the API server was asked whether who asks may.
struct CertificateApprover: Controller {
    let client: KubeClient
    let informers: SharedInformers
    let clock: ControllerClock
    let logger: Logger

    func run() async {
        let queue = RetryingQueue<String>(clock: clock, logger: logger)
        await Following.run([
            ChangeSource(informers.certificateRequests) { change in
                if let request = change.object { queue.add(request.name) }
            }
        ]) { await queue.run { try await decide($0) } }
    }

    private func decide(_ name: String) async throws -> WorkResult {
        guard let request = informers.certificateRequests.object(name: name) else { return .done }
        let candidates = CertificateApproval.candidates(request)
        for candidate in candidates {
            guard try await isAllowed(candidate, request) else { continue }
            // The version is stated: what somebody denied meanwhile is not approved over it.
            let conditions = request.status.conditions.map(\.json) + [[
                "type": "Approved", "status": "True", "reason": "AutoApproved", "message": .string(candidate.message),
            ]]
            try await ignoringNotFound {
                _ = try await client.patch(
                    CertificateSigningRequest.resource, name: name, subresource: "approval",
                    ["metadata": MergePatch.condition(request), "status": ["conditions": .array(conditions)]])
            }
            logger.info("approved the certificate request \(name) of \(request.spec.username ?? "")")
            return .done
        }
        if candidates.isEmpty { return .done }
        logger.debug("recognized csr \"\(name)\" as \(candidates.map(\.permission)) but subject access review was not approved")
        // A role may come later.
        return .retry
    }

    private func isAllowed(_ candidate: CertificateApproval, _ request: CertificateSigningRequest) async throws -> Bool {
        let spec = SubjectAccessReviewSpec(
            extra: request.spec.extra, groups: request.spec.groups,
            resourceAttributes: ResourceAttributes(with: {
                $0.group = "certificates.k8s.io"
                $0.resource = "certificatesigningrequests"
                $0.subresource = candidate.permission
                $0.verb = "create"
                $0.version = "*"
            }), uid: request.spec.uid, user: request.spec.username)
        return try await client.create(SubjectAccessReview(spec: spec)).status.allowed
    }
}
