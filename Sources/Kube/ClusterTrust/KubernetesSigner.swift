/// The signers of Kubernetes that a control plane serves itself, and what each of them signs
/// (https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers).
public enum KubernetesSigner: String, Sendable, CaseIterable {
    /// Certificates of clients of the API server, approved by people.
    case client = "kubernetes.io/kube-apiserver-client"
    /// Certificates of kubelets as clients of the API server.
    case kubeletClient = "kubernetes.io/kube-apiserver-client-kubelet"
    /// Certificates that kubelets serve with. Never approved by a controller of ours: who a node's names and addresses belong
    /// to is not for the node to say.
    case kubeletServing = "kubernetes.io/kubelet-serving"

    public static let nodePrefix = "system:node:"
    public static let nodeGroup = "system:nodes"

    /// Why a request is none for this signer; nil if it is one. The words are upstream's.
    public func problem(with request: CertificateRequest, usages: [String]) -> String? {
        switch self {
        case .client: Self.forbiddenUsage(usages, allowed: ["client auth", "digital signature", "key encipherment"], required: "client auth")
        case .kubeletClient: Self.nodeProblem(request) ?? Self.withoutNames(request) ?? Self.clientUsages(usages)
        case .kubeletServing: Self.nodeProblem(request) ?? Self.servingNames(request) ?? Self.servingUsages(usages)
        }
    }

    private static func nodeProblem(_ request: CertificateRequest) -> String? {
        guard request.organizations == [nodeGroup] else { return "subject organization is not system:nodes" }
        guard request.commonName.hasPrefix(nodePrefix), request.commonName.utf8.count > nodePrefix.utf8.count else {
            return "subject common name does not begin with system:node:"
        }
        return nil
    }

    private static func withoutNames(_ request: CertificateRequest) -> String? {
        if !request.dnsNames.isEmpty { return "DNS subjectAltNames are not allowed" }
        if !request.emails.isEmpty { return "Email subjectAltNames are not allowed" }
        if !request.addresses.isEmpty { return "IP subjectAltNames are not allowed" }
        if !request.uris.isEmpty { return "URI subjectAltNames are not allowed" }
        return nil
    }

    private static func servingNames(_ request: CertificateRequest) -> String? {
        if request.dnsNames.isEmpty, request.addresses.isEmpty { return "DNS or IP subjectAltName is required" }
        if !request.emails.isEmpty { return "Email subjectAltNames are not allowed" }
        if !request.uris.isEmpty { return "URI subjectAltNames are not allowed" }
        return nil
    }

    /// Key encipherment means nothing for keys that are not RSA: a request may leave it out.
    private static func clientUsages(_ usages: [String]) -> String? {
        let asked = Set(usages)
        return asked == ["digital signature", "client auth"] || asked == ["digital signature", "client auth", "key encipherment"]
            ? nil : "usages did not match [client auth digital signature key encipherment]"
    }

    private static func servingUsages(_ usages: [String]) -> String? {
        let asked = Set(usages)
        return asked == ["digital signature", "server auth"] || asked == ["digital signature", "server auth", "key encipherment"]
            ? nil : "usages did not match [digital signature key encipherment server auth]"
    }

    private static func forbiddenUsage(_ usages: [String], allowed: Set<String>, required: String) -> String? {
        guard usages.contains(required) else { return "usages did not contain \"\(required)\"" }
        let others = usages.filter { !allowed.contains($0) }
        return others.isEmpty ? nil : "usages did not match [\(allowed.sorted().joined(separator: " "))]"
    }
}
