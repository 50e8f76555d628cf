internal import ClusterTrust
internal import JSONTree
internal import KubeAPI

/// Requests for certificates: who asks is what the server knows, not what the request says; who approves and who signs need
/// the right to, signer by signer. Messages are upstream's.
struct CertificateRequestAdmission: AdmissionPlugin {
    let authorizer: any Authorizer

    static let group = "certificates.k8s.io"
    private static let reference = ResourceReference(
        group: group, version: "v1", resource: "certificatesigningrequests", kind: "CertificateSigningRequest", namespaced: false)

    func admit(_ request: inout AdmissionRequest) async throws(StatusError) {
        guard request.resource.group == Self.group, request.resource.resource == Self.reference.resource else { return }
        switch (request.operation, request.subresource) {
        case (.create, ""): try Self.admit(new: &request)
        case (.update, "approval"):
            try await check("approve", request, "user not permitted to approve requests with signerName")
        case (.update, "status"):
            let (new, old) = (request.object?["status"], request.old?["status"])
            guard new?["certificate"] != old?["certificate"] || new?["conditions"] != old?["conditions"] else { return }
            try await check("sign", request, "user not permitted to sign requests with signerName")
        default: return
        }
    }

    // MARK: who asks

    private static func admit(new request: inout AdmissionRequest) throws(StatusError) {
        guard var object = request.object, object["spec"]?.object != nil else { return }
        for key in ["username", "uid", "groups", "extra"] { object["spec"]?[key] = nil }
        let user = request.user
        object["spec"]?["username"] = .string(user.name)
        if !user.uid.isEmpty { object["spec"]?["uid"] = .string(user.uid) }
        if !user.groups.isEmpty { object["spec"]?["groups"] = JSON(user.groups) }
        if !user.extra.isEmpty {
            var extra = JSONObject()
            for (key, values) in user.extra.sorted(by: { $0.key < $1.key }) { extra[key] = JSON(values) }
            object["spec"]?["extra"] = .object(extra)
        }
        request.object = object

        let asked = try parse(object, request.name)
        let signer = object[path: "spec", "signerName"]?.string ?? ""
        if signer == KubernetesSigner.client.rawValue, asked.organizations.contains(User.mastersGroup) {
            throw .forbidden(request.resource, request.name, "use of \(signer) signer with \(User.mastersGroup) group is not allowed")
        }
        let isNodes = signer == KubernetesSigner.kubeletClient.rawValue || signer == KubernetesSigner.kubeletServing.rawValue
        if isNodes, let node = NodeAuthorizer.nodeName(of: user), asked.commonName != KubernetesSigner.nodePrefix + node {
            throw .forbidden(request.resource, request.name, "can only create a node CSR with CN=\(KubernetesSigner.nodePrefix)\(node)")
        }
    }

    /// What is asked for. What cannot be read is refused before anything else is said of it.
    private static func parse(_ object: JSON, _ name: String) throws(StatusError) -> CertificateRequest {
        let base64 = object[path: "spec", "request"] ?? ""
        do throws(ClusterTrustError) {
            // The decoder has judged the base64 before.
            return try CertificateRequest(pem: String(decoding: (try? Base64.decode(base64.string ?? "")) ?? [], as: UTF8.self))
        } catch {
            throw .invalid(reference, name: name, [.invalid(.spec.child("request"), base64, error.description)])
        }
    }

    // MARK: who approves and signs

    /// The right is to one signer, or to all of a domain.
    private func check(_ verb: String, _ request: AdmissionRequest, _ words: String) async throws(StatusError) {
        let signer = request.old?[path: "spec", "signerName"]?.string ?? ""
        let domain = signer.prefix { $0 != "/" }
        for name in [signer, "\(domain)/*"] {
            let attributes = AuthorizationAttributes(user: request.user, verb: verb, resource: .init(group: Self.group, resource: "signers", name: name))
            if await authorizer.allows(attributes) { return }
        }
        throw .forbidden(request.resource, request.name, "\(words) \"\(signer)\"")
    }
}
