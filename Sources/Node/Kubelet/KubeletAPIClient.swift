internal import JSONTree

/// What the kubelet asks of the API server: the narrow waist through which every request of its parts goes.
protocol KubeletAPIClient: Sendable {
    func createEvent(namespace: String, _ event: JSON) async throws
    func patchEvent(namespace: String, name: String, _ patch: JSON) async throws

    /// A strategic merge patch of the status subresource. The patch names the UID, so that a pod of the same name that
    /// came later is never touched.
    func patchPodStatus(namespace: String, name: String, _ patch: JSON) async throws
    /// Finishes a deletion: grace period 0, on condition of the UID.
    func finishPod(namespace: String, name: String, uid: String) async throws

    /// A ConfigMap or Secret as the server has it now.
    func object(_ reference: ConfigReference) async throws -> JSON
    /// The object now and after each change; nil while it does not exist. Goes on through lost connections until cancelled.
    func changes(of reference: ConfigReference) -> AsyncStream<JSON?>

    /// `serviceaccounts/token`: the TokenRequest with its status.
    func requestToken(_ source: TokenSource) async throws -> JSON
    /// The cluster's Services now and their changes. Goes on through lost connections until cancelled.
    func services() -> AsyncStream<ServiceDirectory.Change>

    func node(_ name: String) async throws -> JSON
    /// The node now and after each change; nil while it does not exist. Goes on through lost connections until cancelled.
    func nodeChanges(_ name: String) -> AsyncStream<JSON?>
    func createNode(_ node: JSON) async throws
    func patchNode(_ name: String, _ patch: JSON) async throws
    func patchNodeStatus(_ name: String, _ patch: JSON) async throws

    func createLease(_ lease: JSON) async throws
    func patchLease(_ name: String, _ patch: JSON) async throws
}

/// A ConfigMap or a Secret that a pod refers to.
struct ConfigReference: Sendable, Hashable {
    enum Kind: String, Sendable { case configMap = "ConfigMap", secret = "Secret" }
    var kind: Kind
    var namespace: String
    var name: String
}
