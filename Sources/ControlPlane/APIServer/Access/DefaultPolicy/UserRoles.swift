/// What people and their programs are given: all, a namespace to administrate, to edit, to look at.
enum UserRoles {
    private static let read = "get list watch"
    private static let write = "create delete deletecollection patch update"
    private static let every = "create delete deletecollection get list patch update watch"

    static let all = [
        RoleTable("cluster-admin", PolicyRule.everything),
        // `admin` includes `edit`, which includes `view`: see the labels.
        RoleTable("admin", gathers: "admin"),
        RoleTable("edit", aggregatesTo: "admin", gathers: "edit"),
        RoleTable("view", aggregatesTo: "edit", gathers: "view"),
        RoleTable("system:aggregate-to-admin", aggregatesTo: "admin", [
            .on("authorization.k8s.io", "localsubjectaccessreviews", "create"),
            .on("rbac.authorization.k8s.io", "roles rolebindings", every),
        ]),
        RoleTable("system:aggregate-to-edit", aggregatesTo: "edit", edit),
        RoleTable("system:aggregate-to-view", aggregatesTo: "view", view),
        RoleTable("system:basic-user", [
            .on("authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews", "create"),
            .on("authentication.k8s.io", "selfsubjectreviews", "create"),
        ]),
        RoleTable("system:discovery", [
            .get("/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/")
        ]),
        RoleTable("system:public-info-viewer", [.get("/healthz /livez /readyz /version /version/")]),
        RoleTable("system:monitoring", [.get("/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*")]),
        RoleTable("system:service-account-issuer-discovery", [
            .get("/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/")
        ]),
        RoleTable("system:auth-delegator", [
            .on("authentication.k8s.io", "tokenreviews", "create"), .on("authorization.k8s.io", "subjectaccessreviews", "create"),
        ]),
        RoleTable("system:kubelet-api-admin", [
            .on("core", "nodes", "get list watch proxy"),
            .on("core", "nodes/proxy nodes/metrics nodes/stats nodes/log nodes/configz nodes/healthz nodes/pods", "*"),
        ]),
    ]

    /// Secrets are not to be looked at by viewers: who can read them can become anyone whose token is in one.
    private static let view: [PolicyRule] = [
        .on("core", """
            configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale \
            serviceaccounts services services/status
            """, read),
        .on("core", """
            bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status
            """, read),
        .on("core", "namespaces", read),
        .on("discovery.k8s.io", "endpointslices", read),
        .on("apps", """
            controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale \
            replicasets/status statefulsets statefulsets/scale statefulsets/status
            """, read),
        .on("autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status", read),
        .on("batch", "cronjobs cronjobs/status jobs jobs/status", read),
        .on("policy", "poddisruptionbudgets poddisruptionbudgets/status", read),
        .on("networking.k8s.io", "ingresses ingresses/status networkpolicies", read),
    ]

    private static let edit: [PolicyRule] = [
        .on("core", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy", read),
        .on("core", "serviceaccounts", "impersonate"),
        .on("core", "pods pods/attach pods/exec pods/portforward pods/proxy", write),
        .on("core", "pods/eviction", "create"),
        .on("core", """
            configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services \
            services/proxy
            """, write),
        .on("core", "serviceaccounts/token", "create"),
        .on("apps", """
            daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale
            """, write),
        .on("autoscaling", "horizontalpodautoscalers", write),
        .on("batch", "cronjobs jobs", write),
        .on("policy", "poddisruptionbudgets", write),
        .on("networking.k8s.io", "ingresses networkpolicies", write),
        .on("coordination.k8s.io", "leases", every),
    ]
}
