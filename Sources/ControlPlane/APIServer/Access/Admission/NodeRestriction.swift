internal import JSONTree
internal import KubeAPI

/// What nodes may write, by what is in the objects: the node authorizer's other half. Messages are upstream's.
struct NodeRestriction: AdmissionPlugin {
    /// To see whose pod a token is asked for.
    let pods: ResourceCache

    func admit(_ request: inout AdmissionRequest) async throws(StatusError) {
        guard let node = NodeAuthorizer.nodeName(of: request.user) else { return }
        let problem: String?
        switch (request.resource.group, request.resource.resource, request.subresource) {
        case ("", "pods", ""): problem = Self.pod(request, node)
        case ("", "pods", "status"): problem = Self.podStatus(request, node)
        case ("", "nodes", _): problem = Self.node(request, node)
        case ("", "serviceaccounts", "token"): problem = token(request, node)
        case ("coordination.k8s.io", "leases", _): problem = Self.lease(request, node)
        case ("storage.k8s.io", "csinodes", _):
            problem = request.name == node ? nil : "can only access CSINode with the same name as the requesting node"
        default: problem = nil
        }
        if let problem { throw .forbidden(request.resource, request.name, problem) }
    }

    // MARK: pods

    private static func pod(_ request: AdmissionRequest, _ node: String) -> String? {
        switch request.operation {
        case .create:
            let pod = request.object ?? [:]
            guard PodReference.isMirror(pod) else {
                return "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"\(node)\" can only create mirror pods"
            }
            guard pod[path: "spec", "nodeName"]?.string == node else { return "node \"\(node)\" can only create pods with spec.nodeName set to itself" }
            var opened = pod
            opened["metadata"]?["annotations"] = nil
            for reference in PodReference.all(of: opened, namespace: request.namespace, name: request.name) {
                switch reference {
                case .pod: continue
                case .serviceAccount: return "node \"\(node)\" can not create pods that reference a service account"
                case .secret: return "node \"\(node)\" can not create pods that reference secrets"
                case .configMap: return "node \"\(node)\" can not create pods that reference configmaps"
                case .claim: return "node \"\(node)\" can not create pods that reference persistentvolumeclaims"
                }
            }
            return nil
        case .delete:
            return isBound(request.old, node) ? nil : "node \"\(node)\" can only delete pods with spec.nodeName set to itself"
        case .update:
            return "unexpected operation \"UPDATE\", node \"\(node)\" can only create and delete mirror pods"
        }
    }

    private static func podStatus(_ request: AdmissionRequest, _ node: String) -> String? {
        guard isBound(request.old, node) else { return "node \"\(node)\" can only update pod status for pods with spec.nodeName set to itself" }
        if request.object?[path: "metadata", "labels"] ?? [:] != request.old?[path: "metadata", "labels"] ?? [:] {
            return "node \"\(node)\" cannot update labels through pod status"
        }
        return nil
    }

    private static func isBound(_ pod: JSON?, _ node: String) -> Bool { pod?[path: "spec", "nodeName"]?.string == node }

    // MARK: nodes

    private static func node(_ request: AdmissionRequest, _ node: String) -> String? {
        guard request.name == node else { return "node \"\(node)\" is not allowed to modify node \"\(request.name)\"" }
        let (new, old) = (labels(request.object), labels(request.old))
        switch request.operation {
        case .delete: return nil
        case .create:
            let forbidden = new.keys.filter { isRestricted($0) }.sorted()
            return forbidden.isEmpty ? nil : "node \"\(node)\" is not allowed to set the following labels: \(forbidden.joined(separator: ", "))"
        case .update:
            let changed = Set(new.keys).union(old.keys).filter { new[$0] != old[$0] && isRestricted($0) }.sorted()
            if !changed.isEmpty { return "is not allowed to modify labels: \(changed.joined(separator: ", "))" }
            if (request.object?[path: "spec", "taints"] ?? []) != (request.old?[path: "spec", "taints"] ?? []) {
                return "node \"\(node)\" is not allowed to modify taints"
            }
            if (request.object?[path: "metadata", "ownerReferences"] ?? []) != (request.old?[path: "metadata", "ownerReferences"] ?? []) {
                return "node \"\(node)\" is not allowed to modify ownerReferences"
            }
            return nil
        }
    }

    private static func labels(_ object: JSON?) -> [String: String] {
        var labels: [String: String] = [:]
        for (key, value) in object?[path: "metadata", "labels"]?.object ?? [:] { labels[key] = value.string }
        return labels
    }

    /// Labels of kubernetes.io steer where pods go: a node sets those that say what it is, no others.
    private static let allowed: Set<String> = [
        "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch", "topology.kubernetes.io/zone", "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region", "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/instance-type", "beta.kubernetes.io/os", "beta.kubernetes.io/arch",
    ]

    static func isRestricted(_ label: String) -> Bool {
        guard let slash = label.firstIndex(of: "/") else { return false }
        let domain = String(label[..<slash])
        func isWithin(_ parent: String) -> Bool { domain == parent || domain.hasSuffix("." + parent) }
        if isWithin("node-restriction.kubernetes.io") { return true }
        guard isWithin("kubernetes.io") || isWithin("k8s.io") else { return false }
        return !allowed.contains(label) && !isWithin("kubelet.kubernetes.io") && !isWithin("node.kubernetes.io")
    }

    // MARK: leases and tokens

    private static func lease(_ request: AdmissionRequest, _ node: String) -> String? {
        guard request.namespace == "kube-node-lease" else { return "can only access leases in the \"kube-node-lease\" system namespace" }
        return request.name == node ? nil : "can only access node lease with the same name as the requesting node"
    }

    /// A token for a pod of the node, for an audience that the pod asks for.
    private func token(_ request: AdmissionRequest, _ node: String) -> String? {
        let bound = request.object?[path: "spec", "boundObjectRef"]
        guard bound?["kind"]?.string == "Pod", let name = nonEmpty(bound?["name"]) else { return "node requested token not bound to a pod" }
        guard let uid = nonEmpty(bound?["uid"]) else { return "node requested token with a pod binding without a uid" }
        guard let pod = pods.object(namespace: request.namespace, name: name)?.json() else { return "pod not found" }
        guard pod[path: "metadata", "uid"]?.string == uid else {
            return "the UID in the bound object reference (\(uid)) does not match the UID in record. The object might have been deleted and then recreated"
        }
        guard Self.isBound(pod, node) else { return "node requested token bound to a pod scheduled on a different node" }
        let asked = (request.object?[path: "spec", "audiences"]?.array ?? []).compactMap(\.string)
        let wanted = Self.audiences(of: pod)
        if let other = asked.first(where: { !wanted.contains($0) }) { return "audience \"\(other)\" not found in pod spec volume" }
        return nil
    }

    private static func audiences(of pod: JSON) -> Set<String> {
        var found: Set<String> = []
        for volume in pod[path: "spec", "volumes"]?.array ?? [] {
            for source in volume[path: "projected", "sources"]?.array ?? [] {
                if let token = source["serviceAccountToken"] { found.insert(token["audience"]?.string ?? "") }
            }
        }
        return found
    }
}
