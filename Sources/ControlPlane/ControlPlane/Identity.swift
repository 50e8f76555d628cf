import KubeHTTP

/// Who the control plane's parts are to the API server. Each has the rights of its own work, no more: the authorizer treats
/// them as it treats everybody.
enum ControlPlaneIdentity {
    /// The server itself, for what it keeps in place: the Service `kubernetes`.
    static let apiServer = ClientCertificate(commonName: "system:apiserver", organizations: ["system:masters"])
    static let scheduler = ClientCertificate(commonName: "system:kube-scheduler")

    /// For what all controllers share: following objects, and events.
    static let controllerManager = ClientCertificate(commonName: "system:kube-controller-manager")

    /// A controller acts as the service account of its name in kube-system.
    static func controller(_ name: String) -> ClientCertificate {
        ClientCertificate(commonName: "system:serviceaccount:kube-system:\(name)", organizations: ["system:serviceaccounts", "system:serviceaccounts:kube-system"])
    }
}
