import JSONTree
import KubeAPI
import KubeTypes

@testable import Controllers

/// Objects as the server would list them, for tables.
let start = Time(seconds: 1_800_000_000)

func deployment(
    _ replicas: Int, image: String = "web:2", maxSurge: IntOrString = "25%", maxUnavailable: IntOrString = "25%", recreate: Bool = false,
    _ configure: (inout Deployment) -> Void = { _ in }
) -> Deployment {
    Deployment(with: {
        $0.metadata.name = "web"
        $0.metadata.namespace = "default"
        $0.metadata.uid = "deployment"
        $0.metadata.generation = 2
        $0.spec.replicas = replicas
        $0.spec.selector = LabelSelector(matchLabels: ["app": "web"])
        $0.spec.template = template(image)
        $0.spec.progressDeadlineSeconds = 600
        $0.spec.revisionHistoryLimit = 10
        $0.spec.strategy = KubeTypes.DeploymentStrategy(with: {
            $0.type = recreate ? "Recreate" : "RollingUpdate"
            if !recreate { $0.rollingUpdate = RollingUpdateDeployment(maxSurge: maxSurge, maxUnavailable: maxUnavailable) }
        })
        configure(&$0)
    })
}

func template(_ image: String) -> PodTemplateSpec {
    PodTemplateSpec(with: {
        $0.metadata.labels = ["app": "web"]
        $0.spec.containers = [Container(with: {
            $0.name = "web"
            $0.image = image
        })]
    })
}

/// A replica set of the deployment `web`.
/// - Parameters:
///   - status: the pods that there are; as many as wanted if nil.
///   - available: as many as there are if nil.
func replicaSet(
    _ name: String, image: String, replicas: Int, status: Int? = nil, available: Int? = nil, revision: Int? = nil, desired: Int? = nil,
    max: Int? = nil, age: Int = 0, _ configure: (inout ReplicaSet) -> Void = { _ in }
) -> ReplicaSet {
    ReplicaSet(with: {
        $0.metadata.name = name
        $0.metadata.namespace = "default"
        $0.metadata.uid = name
        $0.metadata.resourceVersion = "1"
        $0.metadata.generation = 1
        $0.metadata.creationTimestamp = start + .seconds(-age)
        $0.metadata.ownerReferences = [OwnerReference(apiVersion: "apps/v1", controller: true, kind: "Deployment", name: "web", uid: "deployment")]
        if let revision { $0.metadata.annotations[DeploymentAnnotations.revision] = String(revision) }
        if let desired { $0.metadata.annotations[DeploymentAnnotations.desiredReplicas] = String(desired) }
        if let max { $0.metadata.annotations[DeploymentAnnotations.maxReplicas] = String(max) }
        $0.spec.replicas = replicas
        var template = template(image)
        template.metadata.labels[TemplateHash.label] = name
        $0.spec.selector = LabelSelector(matchLabels: template.metadata.labels)
        $0.spec.template = template
        $0.status.replicas = status ?? replicas
        $0.status.readyReplicas = available ?? status ?? replicas
        $0.status.availableReplicas = available ?? status ?? replicas
        $0.status.observedGeneration = 1
        configure(&$0)
    })
}

func pod(
    _ name: String, owner: String? = nil, labels: [String: String] = ["app": "web"], phase: String = "Running", ready: Time? = start,
    node: String? = "node-1", ip: String? = "10.244.0.9", _ configure: (inout Pod) -> Void = { _ in }
) -> Pod {
    Pod(with: {
        $0.metadata.name = name
        $0.metadata.namespace = "default"
        $0.metadata.uid = name
        $0.metadata.labels = labels
        $0.metadata.creationTimestamp = start
        if let owner {
            $0.metadata.ownerReferences = [OwnerReference(apiVersion: "apps/v1", controller: true, kind: "ReplicaSet", name: owner, uid: owner)]
        }
        $0.spec.nodeName = node
        $0.status.phase = phase
        $0.status.podIP = ip
        $0.status.podIPs = ip.map { [PodIP(ip: $0)] } ?? []
        if let ready {
            $0.status.conditions = [PodCondition(with: {
                $0.type = "Ready"
                $0.status = "True"
                $0.lastTransitionTime = ready
            })]
        }
        configure(&$0)
    })
}
