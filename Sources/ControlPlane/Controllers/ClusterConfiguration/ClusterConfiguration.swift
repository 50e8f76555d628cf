import JSONTree
import KubeAPI

/// What nodes that join are told of the cluster, in kubeadm's documents.
public struct ClusterConfiguration: Sendable, Hashable {
    /// The API server's URL as nodes reach it, e.g. `https://192.0.2.1:6443`.
    public var server: String
    /// The cluster's authority, as PEM.
    public var authority: String
    /// The addresses of Services and of pods.
    public var serviceRange: String
    public var podRange: String
    public var domain: String
    /// The address of the DNS Service; nil if the cluster has none of ours.
    public var dns: String?
    /// `v1.36.0`
    public var version: String

    public init(server: String, authority: String, serviceRange: String, podRange: String, domain: String, dns: String?, version: String = "v1.36.0") {
        (self.server, self.authority, self.serviceRange, self.podRange) = (server, authority, serviceRange, podRange)
        (self.domain, self.dns, self.version) = (domain, dns, version)
    }

    /// A kubeconfig without a user: where the cluster is and how to know it. Signed as it stands here, byte by byte.
    var kubeconfig: String {
        """
        apiVersion: v1
        clusters:
        - cluster:
            certificate-authority-data: \(Base64.encode(Array(authority.utf8)))
            server: \(server)
          name: ""
        contexts: null
        current-context: ""
        kind: Config
        users: null

        """
    }

    /// kubeadm.k8s.io/v1beta4 ClusterConfiguration.
    var kubeadm: String {
        """
        apiServer: {}
        apiVersion: kubeadm.k8s.io/v1beta4
        caCertificateValidityPeriod: 87600h0m0s
        certificateValidityPeriod: 8760h0m0s
        certificatesDir: /etc/kubernetes/pki
        clusterName: kubernetes
        controlPlaneEndpoint: \(server.replacing("https://", with: ""))
        controllerManager: {}
        dns: {}
        encryptionAlgorithm: ECDSA-P256
        etcd:
          local:
            dataDir: /var/lib/etcd
        imageRepository: registry.k8s.io
        kind: ClusterConfiguration
        kubernetesVersion: \(version)
        networking:
          dnsDomain: \(domain)
          podSubnet: \(podRange)
          serviceSubnet: \(serviceRange)
        proxy: {}
        scheduler: {}

        """
    }

    /// kubelet.config.k8s.io/v1beta1 KubeletConfiguration.
    var kubelet: String {
        """
        apiVersion: kubelet.config.k8s.io/v1beta1
        authentication:
          anonymous:
            enabled: false
          webhook:
            enabled: true
          x509:
            clientCAFile: /etc/kubernetes/pki/ca.crt
        authorization:
          mode: Webhook
        cgroupDriver: systemd
        \(dns.map { "clusterDNS:\n- \($0)\n" } ?? "")clusterDomain: \(domain)
        kind: KubeletConfiguration
        rotateCertificates: true
        staticPodPath: /etc/kubernetes/manifests

        """
    }

    /// The ConfigMaps: namespace, name, key, text, and whether it is kept as it is here. The others are the operator's to change.
    var maps: [(namespace: String, name: String, key: String, text: String, isKept: Bool)] {
        [
            (BootstrapSigner.namespace, BootstrapSigner.name, BootstrapSigner.kubeconfigKey, kubeconfig, true),
            ("kube-system", "kubeadm-config", "ClusterConfiguration", kubeadm, false),
            ("kube-system", "kubelet-config", "kubelet", kubelet, false),
        ]
    }
}
