internal import ClusterTrust
internal import JSONTree

/// What nodes that join are given, and who approves and signs their certificates: upstream's roles, and those that kubeadm adds
/// to them, so that nodes join by kubeadm's protocol.
enum JoinRoles {
    private static let certificates = "certificates.k8s.io"
    /// The group of the tokens that `swiftlet token create` and kubeadm make.
    static let tokenGroup = BootstrapTokenSecret.defaultGroup

    private static func approver(_ signer: String) -> RoleTable {
        RoleTable("system:\(certificates):\(signer)-approver", [.on(certificates, "signers", "approve", names: "kubernetes.io/\(signer)")])
    }

    static let clusterRoles = [
        RoleTable("system:node-bootstrapper", [.on(certificates, "certificatesigningrequests", "create get list watch")]),
        RoleTable("system:\(certificates):certificatesigningrequests:nodeclient", [.on(certificates, "certificatesigningrequests/nodeclient", "create")]),
        RoleTable("system:\(certificates):certificatesigningrequests:selfnodeclient", [.on(certificates, "certificatesigningrequests/selfnodeclient", "create")]),
        approver("legacy-unknown"), approver("kubelet-serving"), approver("kube-apiserver-client"), approver("kube-apiserver-client-kubelet"),
        RoleTable("kubeadm:get-nodes", [.on("core", "nodes", "get")]),
    ]

    /// Bindings whose name is not that of their role: name, role, group.
    static let clusterRoleBindings = [
        ("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", tokenGroup),
        ("kubeadm:node-autoapprove-bootstrap", "system:\(certificates):certificatesigningrequests:nodeclient", tokenGroup),
        ("kubeadm:node-autoapprove-certificate-rotation", "system:\(certificates):certificatesigningrequests:selfnodeclient", "system:nodes"),
        ("kubeadm:get-nodes", "kubeadm:get-nodes", tokenGroup),
    ]
}

/// A role of one namespace, and whom it is given to.
struct NamespacedRole: Sendable {
    let namespace: String
    let name: String
    let rules: [PolicyRule]
    let subjects: [PolicySubject]

    var role: JSON {
        [
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": DefaultPolicy.metadata(name, namespace: namespace),
            "rules": .array(rules.map(\.json)),
        ]
    }

    var binding: JSON {
        [
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": DefaultPolicy.metadata(name, namespace: namespace),
            "roleRef": ["apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": .string(name)], "subjects": .array(subjects.map(\.json)),
        ]
    }

    private static func controller(_ name: String) -> PolicySubject { .serviceAccount(namespace: "kube-system", name: name) }

    static let all = [
        // Whoever joins looks at `cluster-info` before it is anyone. Its signature, not its reader, is what is trusted.
        NamespacedRole(
            namespace: "kube-public", name: "kubeadm:bootstrap-signer-clusterinfo",
            rules: [.on("core", "configmaps", "get", names: "cluster-info")], subjects: [.user(User.anonymousName)]),
        NamespacedRole(
            namespace: "kube-public", name: ControllerRoles.prefix + "bootstrap-signer",
            rules: [.on("core", "configmaps", "get list watch"), .on("core", "configmaps", "patch update", names: "cluster-info")] + SystemRoles.events,
            subjects: [controller("bootstrap-signer")]),
        NamespacedRole(
            namespace: "kube-system", name: ControllerRoles.prefix + "bootstrap-signer",
            rules: [.on("core", "secrets", "get list watch")], subjects: [controller("bootstrap-signer")]),
        NamespacedRole(
            namespace: "kube-system", name: ControllerRoles.prefix + "token-cleaner",
            rules: [.on("core", "secrets", "delete get list watch")] + SystemRoles.events, subjects: [controller("token-cleaner")]),
        NamespacedRole(
            namespace: "kube-system", name: "kubeadm:nodes-kubeadm-config",
            rules: [.on("core", "configmaps", "get", names: "kubeadm-config")], subjects: [.group("system:nodes"), .group(JoinRoles.tokenGroup)]),
        NamespacedRole(
            namespace: "kube-system", name: "kubeadm:kubelet-config",
            rules: [.on("core", "configmaps", "get", names: "kubelet-config")], subjects: [.group("system:nodes"), .group(JoinRoles.tokenGroup)]),
        NamespacedRole(
            namespace: "kube-public", name: ControllerRoles.prefix + "cluster-configuration-controller",
            rules: [.on("core", "configmaps", "create get list watch"), .on("core", "configmaps", "patch", names: "cluster-info")],
            subjects: [controller("cluster-configuration-controller")]),
        NamespacedRole(
            namespace: "kube-system", name: ControllerRoles.prefix + "cluster-configuration-controller",
            rules: [.on("core", "configmaps", "create get list watch")],
            subjects: [controller("cluster-configuration-controller")]),
    ]
}
