internal import JSONTree
internal import Runtime

/// What the node says of itself to the API server. Pure.
struct NodeDocument {
    var configuration: KubeletConfiguration
    var machine: MachineFacts

    static let heartbeatNamespace = "kube-node-lease"

    var labels: [String: String] {
        var labels = configuration.labels
        labels["kubernetes.io/hostname"] = configuration.nodeName
        labels["kubernetes.io/os"] = "linux"
        labels["kubernetes.io/arch"] = machine.architecture
        labels["beta.kubernetes.io/os"] = "linux"
        labels["beta.kubernetes.io/arch"] = machine.architecture
        return labels
    }

    /// The object to register with.
    func node(conditions: [JSON], images: [ImageStatus]) -> JSON {
        [
            "apiVersion": "v1", "kind": "Node",
            "metadata": ["name": JSON(configuration.nodeName), "labels": Self.map(labels)],
            "spec": spec, "status": status(conditions: conditions, images: images),
        ]
    }

    private var spec: JSON {
        guard let first = configuration.podCIDRs.first else { return [:] }
        return ["podCIDR": JSON(first), "podCIDRs": JSON(configuration.podCIDRs)]
    }

    /// A patch that brings a node that is registered already up to date; nil if it is. Pod ranges are given once and stay.
    func patch(for node: JSON) -> JSON? {
        var patch: JSONObject = [:]
        let current = node[path: "metadata", "labels"]
        let missing = labels.filter { current?[$0.key]?.string != $0.value }
        if !missing.isEmpty { patch["metadata"] = ["labels": Self.map(missing)] }
        if node[path: "spec", "podCIDR"] == nil, !configuration.podCIDRs.isEmpty { patch["spec"] = spec }
        return patch.isEmpty ? nil : .object(patch)
    }

    func status(conditions: [JSON], images: [ImageStatus]) -> JSON {
        let resources: JSON = [
            "cpu": JSON(String(machine.cpus)), "memory": JSON("\(machine.memory / 1024)Ki"), "ephemeral-storage": JSON("\(machine.storage / 1024)Ki"),
            "pods": JSON(String(configuration.maximumPods)),
        ]
        var addresses = configuration.nodeAddresses.map { address -> JSON in ["type": "InternalIP", "address": JSON(address)] }
        addresses.append(["type": "Hostname", "address": JSON(configuration.nodeName)])
        return [
            "addresses": .array(addresses), "capacity": resources, "allocatable": resources, "conditions": .array(conditions),
            "daemonEndpoints": ["kubeletEndpoint": ["Port": JSON(configuration.port)]],
            "nodeInfo": [
                "machineID": JSON(machine.machineID), "systemUUID": JSON(machine.systemUUID), "bootID": JSON(machine.bootID),
                "kernelVersion": JSON(machine.kernelVersion), "osImage": JSON(machine.osImage), "containerRuntimeVersion": JSON(configuration.runtimeVersion),
                "kubeletVersion": JSON(configuration.kubeletVersion), "kubeProxyVersion": "", "operatingSystem": "linux",
                "architecture": JSON(machine.architecture),
            ],
            "images": .array(Self.images(images)),
        ]
    }

    /// The largest images, as many as Kubernetes lists.
    private static func images(_ images: [ImageStatus]) -> [JSON] {
        images.sorted { ($0.size, $1.id) > ($1.size, $0.id) }.prefix(50).map { image in
            ["names": JSON(Array((image.repoDigests + image.repoTags).prefix(5))), "sizeBytes": JSON(image.size)]
        }
    }

    private static func map(_ values: [String: String]) -> JSON {
        .object(JSONObject(values.sorted { $0.key < $1.key }.map { ($0.key, JSON($0.value)) }))
    }

    func lease(owner: JSON, now: WallTime) -> JSON {
        [
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": [
                "name": JSON(configuration.nodeName), "namespace": JSON(Self.heartbeatNamespace),
                "ownerReferences": [[
                    "apiVersion": "v1", "kind": "Node", "name": JSON(configuration.nodeName), "uid": owner[path: "metadata", "uid"] ?? "",
                ]],
            ],
            "spec": [
                "holderIdentity": JSON(configuration.nodeName), "leaseDurationSeconds": JSON(configuration.leaseDuration.components.seconds),
                "renewTime": JSON(now.rfc3339Micro),
            ],
        ]
    }
}
