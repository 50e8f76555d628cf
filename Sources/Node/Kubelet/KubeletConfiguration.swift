/// How a kubelet is set up. Every path is given, so that many run side by side.
public struct KubeletConfiguration: Sendable, Hashable {
    public var nodeName: String
    /// Addresses of the node, the primary one first.
    public var nodeAddresses: [String]
    /// State: `pods/`.
    public var dataDirectory: String
    /// Container logs: `<namespace>_<pod>_<uid>/<container>/<n>.log`.
    public var logDirectory: String
    /// Where the API of ``Kubelet/handler`` is reachable, as the node tells it to the API server.
    public var port: Int
    /// `swiftlet://` and the version of the program.
    public var runtimeVersion: String
    public var kubeletVersion: String
    public var maximumPods: Int
    /// Ranges of the addresses of this node's pods, as the node is registered with; empty: others assign them.
    public var podCIDRs: [String]
    /// Processes of one container; nil: no limit.
    public var pidsLimit: Int64?
    /// Addresses of the cluster's DNS; empty: pods use the node's resolvers.
    public var clusterDNS: [String]
    public var clusterDomain: String
    /// The node's resolver configuration.
    public var resolvConf: String
    public var labels: [String: String]
    /// Common names of client certificates that may use the API beside the group `system:masters`.
    public var allowedClients: Set<String>
    public var leaseDuration: Duration
    public var statusPeriod: Duration

    public init(
        nodeName: String, nodeAddresses: [String], dataDirectory: String = "/var/lib/swiftlet", logDirectory: String = "/var/log/pods", port: Int = 10250,
        runtimeVersion: String = "swiftlet://0.1.0", kubeletVersion: String = "v1.36.0+swiftlet", maximumPods: Int = 110, podCIDRs: [String] = [],
        pidsLimit: Int64? = nil,
        clusterDNS: [String] = [], clusterDomain: String = "cluster.local", resolvConf: String = "/etc/resolv.conf", labels: [String: String] = [:],
        allowedClients: Set<String> = ["kube-apiserver-kubelet-client"], leaseDuration: Duration = .seconds(40), statusPeriod: Duration = .seconds(300)
    ) {
        (self.nodeName, self.nodeAddresses, self.dataDirectory, self.logDirectory) = (nodeName, nodeAddresses, dataDirectory, logDirectory)
        (self.port, self.runtimeVersion, self.kubeletVersion, self.maximumPods) = (port, runtimeVersion, kubeletVersion, maximumPods)
        self.podCIDRs = podCIDRs
        (self.pidsLimit, self.clusterDNS, self.clusterDomain, self.resolvConf) = (pidsLimit, clusterDNS, clusterDomain, resolvConf)
        (self.labels, self.allowedClients, self.leaseDuration, self.statusPeriod) = (labels, allowedClients, leaseDuration, statusPeriod)
    }
}
