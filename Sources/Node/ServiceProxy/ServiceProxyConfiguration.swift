/// What a node's service proxy is made of.
public struct ServiceProxyConfiguration: Sendable, Hashable {
    /// nf_tables table in the inet family. The proxy owns it: whatever else is done to it is undone.
    public var tableName: String
    /// The empty bridge to which the ranges of cluster IPs are routed.
    public var linkName: String
    /// The node's network namespace; nil: the process's own.
    public var namespacePath: String?
    /// How often the table is compared with what it should be.
    public var auditInterval: Duration

    public init(tableName: String = "swiftlet-services", linkName: String = "swl-services", namespacePath: String? = nil, auditInterval: Duration = .seconds(600)) {
        (self.tableName, self.linkName, self.namespacePath, self.auditInterval) = (tableName, linkName, namespacePath, auditInterval)
    }
}
