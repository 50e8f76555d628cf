import ArgumentParser

/// Where state, sockets and logs are. Every path can be set, so that many nodes run side by side on one kernel.
struct Directories: ParsableArguments {
    @Option(help: "Images, certificates, the store: what must survive a reboot.")
    var dataDir = "/var/lib/swiftlet"

    @Option(help: "Sockets, pid files, pinned namespaces: what must not.")
    var runDir = "/run/swiftlet"

    var adminKubeconfig: String { dataDir + "/admin.kubeconfig" }
    var pidFile: String { runDir + "/swiftlet.pid" }
}

/// Where the node's cgroups go.
struct CgroupOptions: ParsableArguments {
    @Option(help: "The mount point of the cgroup file systems.")
    var cgroupRoot = "/sys/fs/cgroup"

    @Option(help: "The cgroup below which everything of this node lives, relative to the root; by default where its pods are, or else 'swiftlet'.")
    var cgroupParent: String?
}

struct NodeOptions: ParsableArguments {
    @OptionGroup var cgroups: CgroupOptions

    @Option(help: "The node's name; by default the host's.")
    var nodeName: String?

    @Option(name: .customLong("node-ip"), help: "The node's address; by default the one of the default route.")
    var nodeIP: String?

    @Option(name: .customLong("pod-cidr"), help: "The addresses of this node's pods.")
    var podCIDR = "10.244.0.0/24"

    @Option(help: "The port of the kubelet's API.")
    var kubeletPort = 10250

    @Option(help: "The directory of the containers' log files.")
    var logDir = "/var/log/pods"

    @Option(help: "The program that becomes the parent of a pod's containers; by default the one beside swiftlet.")
    var shim: String?
}

struct ControlPlaneOptions: ParsableArguments {
    @Option(help: "The address that the API server listens on.")
    var bindAddress = "0.0.0.0"

    @Option(help: "The port of the API server.")
    var apiPort = 6443

    @Option(help: "The address at which pods and nodes reach the API server; by default the one of the default route.")
    var advertiseAddress: String?

    @Option(help: "The addresses of Services.")
    var serviceCIDR = "10.96.0.0/16"

    @Option(name: .customLong("cluster-cidr"), help: "The addresses of all pods: each node that has none of its own gets a part.")
    var clusterCIDR = "10.244.0.0/16"

    @Option(help: "How long certificates are valid: a number and d, h, m or s. They are renewed while the cluster runs, when a third is left.")
    var certificateLifetime = "365d"

    @Option(name: .customLong("user"), help: "The user that the control plane runs as.")
    var user = "nobody"
}

/// The cluster's DNS: the same on every node and in the control plane.
struct DNSOptions: ParsableArguments {
    @Option(name: .customLong("cluster-dns"), help: "The address of the cluster's DNS Service; empty for a cluster that has its own DNS.")
    var clusterDNS = "10.96.0.10"

    @Option(name: .customLong("dns-port"), help: "The port on which every node answers for the DNS Service.")
    var dnsPort = 10053

    @Option(help: "The domain below which the cluster's names are.")
    var clusterDomain = "cluster.local"

    /// For another program of the same cluster.
    var arguments: [String] { ["--cluster-dns", clusterDNS, "--dns-port", "\(dnsPort)", "--cluster-domain", clusterDomain] }
}

struct LogOptions: ParsableArguments {
    @Option(help: "The least severe messages to log: trace, debug, info, notice, warning, error or critical.")
    var logLevel = "info"
}
