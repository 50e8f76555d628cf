/// What each controller is given, under the service account of its name in kube-system: no more than its work needs, so that
/// an error in one cannot do what only another one may.
enum ControllerRoles {
    static let prefix = "system:controller:"
    private static let read = "get list watch"
    private static let events = SystemRoles.events

    private static func role(_ name: String, _ rules: [PolicyRule], events: Bool = true) -> RoleTable {
        RoleTable(prefix + name, rules + (events ? Self.events : []))
    }

    static let all = [
        role("certificate-controller", [
            .on("certificates.k8s.io", "certificatesigningrequests", "delete get list watch"),
            .on("certificates.k8s.io", "certificatesigningrequests/status certificatesigningrequests/approval", "patch update"),
            .on("certificates.k8s.io", "signers", "approve", names: "kubernetes.io/kube-apiserver-client-kubelet"),
            .on("certificates.k8s.io", "signers", "sign", names: """
                kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving
                """),
            .on("authorization.k8s.io", "subjectaccessreviews", "create"),
        ]),
        role("clusterrole-aggregation-controller", [.on("rbac.authorization.k8s.io", "clusterroles", "escalate get list patch update watch")], events: false),
        role("cluster-dns-controller", [
            .on("core", "services", "create get list patch watch"), .on("core", "nodes", read),
            .on("discovery.k8s.io", "endpointslices", "create delete get list patch watch"), .on("discovery.k8s.io", "endpointslices/restricted", "create"),
        ], events: false),
        role("cronjob-controller", [
            .on("batch", "cronjobs", "get list update watch"), .on("batch", "jobs", "create delete get list patch update watch"),
            .on("batch", "cronjobs/status cronjobs/finalizers", "patch update"), .on("core", "pods", "delete list"),
        ]),
        role("daemon-set-controller", [
            .on("apps", "daemonsets", read), .on("apps", "daemonsets/status daemonsets/finalizers", "patch update"), .on("core", "nodes", "list watch"),
            .on("core", "pods", "create delete get list patch watch"), .on("core", "pods/binding", "create"),
            .on("apps", "controllerrevisions", "create delete get list patch update watch"),
        ]),
        role("deployment-controller", [
            .on("apps", "deployments", "get list patch update watch"), .on("apps", "deployments/status deployments/finalizers", "patch update"),
            .on("apps", "replicasets", "create delete get list patch update watch"), .on("core", "pods", "get list patch update watch"),
        ]),
        role("disruption-controller", [
            .on("apps", "deployments replicasets statefulsets", read), .on("core", "pods replicationcontrollers", read),
            .on("policy", "poddisruptionbudgets", read), .on("policy", "poddisruptionbudgets/status", "patch update"),
            .on("core", "pods/status", "patch update"), .on("*", "*/scale", "get"),
        ]),
        role("endpoint-controller", [
            .on("core", "pods services", read), .on("core", "endpoints", "create delete get list patch update watch"), .on("core", "endpoints/restricted", "create"),
            .on("core", "services/finalizers", "update"),
        ]),
        role("endpointslice-controller", [
            .on("core", "nodes pods services", read), .on("core", "services/finalizers", "update"),
            .on("discovery.k8s.io", "endpointslices", "create delete get list patch update watch"), .on("discovery.k8s.io", "endpointslices/restricted", "create"),
        ]),
        role("endpointslicemirroring-controller", [
            .on("core", "endpoints services", read), .on("core", "services/finalizers endpoints/finalizers", "update"),
            .on("discovery.k8s.io", "endpointslices", "create delete get list patch update watch"), .on("discovery.k8s.io", "endpointslices/restricted", "create"),
        ]),
        role("generic-garbage-collector", [.on("*", "*", "delete get list patch update watch")]),
        role("job-controller", [
            .on("batch", "jobs", "get list patch update watch"), .on("batch", "jobs/status jobs/finalizers", "patch update"),
            .on("core", "pods", "create delete get list patch watch"),
        ]),
        role("namespace-controller", [
            .on("core", "namespaces", "delete get list watch"), .on("core", "namespaces/finalize namespaces/status", "patch update"),
            .on("*", "*", "delete deletecollection get list"),
        ], events: false),
        role("node-controller", [
            .on("core", "nodes", "delete get list patch update watch"), .on("core", "nodes/status", "patch update"),
            .on("core", "pods", "delete get list watch"), .on("core", "pods/status", "patch update"), .on("coordination.k8s.io", "leases", read),
        ]),
        role("persistent-volume-binder", [
            .on("core", "persistentvolumes", "create delete get list patch update watch"), .on("core", "persistentvolumeclaims", "get list patch update watch"),
            .on("core", "persistentvolumes/status persistentvolumeclaims/status", "patch update"), .on("storage.k8s.io", "storageclasses", read),
            .on("core", "pods", read), .on("core", "nodes", read),
        ]),
        role("pod-garbage-collector", [
            .on("core", "pods", "delete get list watch"), .on("core", "nodes", read), .on("core", "pods/status", "patch"),
        ], events: false),
        role("replicaset-controller", [
            .on("apps", "replicasets", "get list patch update watch"), .on("apps", "replicasets/status replicasets/finalizers", "patch update"),
            .on("core", "pods", "create delete get list patch watch"),
        ]),
        role("root-ca-cert-publisher", [.on("core", "configmaps", "create get list patch update watch"), .on("core", "namespaces", read)]),
        role("service-account-controller", [.on("core", "serviceaccounts", "create get list watch"), .on("core", "namespaces", read)]),
        role("statefulset-controller", [
            .on("apps", "statefulsets", read), .on("apps", "statefulsets/status statefulsets/finalizers", "patch update"),
            .on("core", "pods", "create delete get list patch update watch"), .on("apps", "controllerrevisions", "create delete get list patch update watch"),
            .on("core", "persistentvolumeclaims", "create delete get list patch update watch"),
        ]),
        role("ttl-after-finished-controller", [.on("batch", "jobs", "delete get list watch")]),
    ]
}
