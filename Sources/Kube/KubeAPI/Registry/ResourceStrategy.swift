public import JSONTree

/// What a kind does beyond its schema. One small file for each kind; most need only a part of this.
public protocol ResourceStrategy: Sendable {
    /// Fills in what depends on other fields. The schema's own defaults are there already.
    func applyDefaults(to object: inout JSON)
    /// Sets what the server decides when an object is made, such as its first status.
    func prepareForCreate(_ object: inout JSON)
    /// Carries over what a client must not change.
    func prepareForUpdate(_ object: inout JSON, from old: JSON)
    /// The rules that a schema cannot say.
    func validate(_ object: JSON, _ errors: inout [FieldError])
    /// The rules for a change. `validate` has run on the new object.
    func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError])
    /// Sets what the server decides when the status is changed. What only the main part may change is as it was.
    func prepareForStatusUpdate(_ object: inout JSON, from old: JSON, now: Time)
    /// The same for the approval subresource.
    func prepareForApproval(_ object: inout JSON, from old: JSON, now: Time)
    /// The rules for a change of the approval subresource.
    func validateApproval(_ object: JSON, from old: JSON, _ errors: inout [FieldError])
    /// The rules for a change of the status subresource.
    func validateStatusUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError])
    /// The form of `metadata.name`.
    func nameProblems(_ name: String) -> [String]
    /// Whether `metadata.generation` counts the changes of the spec.
    var hasGeneration: Bool { get }
    /// Whether a change is one that `metadata.generation` counts. Deletion counts always.
    func changesGeneration(_ object: JSON, from old: JSON) -> Bool
    /// Whether an object may be made with a status: a node registers with its addresses and capacity.
    var keepsStatusOnCreate: Bool { get }
    /// Whether an update without a resource version overwrites whatever is stored.
    var allowsUnconditionalUpdate: Bool { get }
    /// Whether PUT makes an object that is not there.
    var allowsCreateOnUpdate: Bool { get }
}

extension ResourceStrategy {
    public func applyDefaults(to object: inout JSON) {}
    public func prepareForCreate(_ object: inout JSON) {}
    public func prepareForUpdate(_ object: inout JSON, from old: JSON) {}
    public func validate(_ object: JSON, _ errors: inout [FieldError]) {}
    public func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {}
    public func prepareForStatusUpdate(_ object: inout JSON, from old: JSON, now: Time) {}
    public func prepareForApproval(_ object: inout JSON, from old: JSON, now: Time) {}
    public func validateApproval(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {}
    public func validateStatusUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {}
    public func nameProblems(_ name: String) -> [String] { ValueFormat.dnsSubdomain(name) }
    public var hasGeneration: Bool { false }
    public func changesGeneration(_ object: JSON, from old: JSON) -> Bool { object["spec"] != old["spec"] }
    public var keepsStatusOnCreate: Bool { false }
    public var allowsUnconditionalUpdate: Bool { true }
    public var allowsCreateOnUpdate: Bool { false }
}

/// A kind whose schema says everything.
public struct SchemaOnlyStrategy: ResourceStrategy {
    public init() {}
}

/// The strategies of the kinds that ship with Swiftlet, by type.
enum BuiltInStrategies {
    static let byTypeName: [String: any ResourceStrategy] = [
        "core/v1.Pod": PodStrategy(),
        "core/v1.Node": NodeStrategy(),
        "core/v1.Namespace": NamespaceStrategy(),
        "core/v1.ConfigMap": ConfigMapStrategy(),
        "core/v1.Secret": SecretStrategy(),
        "core/v1.Event": EventStrategy(),
        "core/v1.Binding": BindingStrategy(),
        "events/v1.Event": EventStrategy(),
        "coordination/v1.Lease": LeaseStrategy(),
        "apiextensions/v1.CustomResourceDefinition": CustomResourceDefinitionStrategy(),
        "certificates/v1.CertificateSigningRequest": CertificateSigningRequestStrategy(),
        "node/v1.RuntimeClass": RuntimeClassStrategy(),
        "storage/v1.CSIDriver": CSIDriverStrategy(),
        "storage/v1.CSINode": CSINodeStrategy(),
        "core/v1.Service": ServiceStrategy(),
        "core/v1.Endpoints": EndpointsStrategy(),
        "discovery/v1.EndpointSlice": EndpointSliceStrategy(),
        "apps/v1.Deployment": DeploymentStrategy(),
        "apps/v1.ReplicaSet": ReplicaSetStrategy(),
        "apps/v1.ControllerRevision": ControllerRevisionStrategy(),
        "networking/v1.NetworkPolicy": NetworkPolicyStrategy(),
        "rbac/v1.Role": RoleStrategy(),
        "rbac/v1.ClusterRole": ClusterRoleStrategy(),
        "rbac/v1.RoleBinding": RoleBindingStrategy(namespaced: true),
        "rbac/v1.ClusterRoleBinding": RoleBindingStrategy(namespaced: false),
    ]
}
