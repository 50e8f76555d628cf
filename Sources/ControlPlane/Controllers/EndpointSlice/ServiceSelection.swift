import KubeAPI
import KubeClient
import KubeTypes

/// Services and the pods that they select, and which Services a change matters to.
struct ServiceSelection: Sendable {
    let services = ObjectIndex<Service> { [$0.namespace] }
    private let pods = ObjectIndex<Pod> { pod in [pod.namespace] + (pod.spec.nodeName.map { ["on/\($0)"] } ?? []) }

    /// Listens, and asks for work on the Services concerned.
    func sources(_ informers: SharedInformers, _ queue: RetryingQueue<ObjectName>) -> [ChangeSource] {
        [
            ChangeSource(informers.services) { change in
                services.apply(change)
                if let service = change.object { queue.add(ObjectName(service)) }
            },
            ChangeSource(informers.pods) { change in
                pods.apply(change)
                for name in concerned(change) { queue.add(name) }
            },
        ]
    }

    /// Before and after the change, since a pod may leave a Service by a label. Most changes of a pod's status matter to none.
    func concerned(_ change: Informer<Pod>.Change) -> [ObjectName] {
        guard let pod = change.object else { return [] }
        var labels = [pod.metadata.labels]
        if case .modified(_, let previous) = change {
            guard ServicePod.Facts(pod) != ServicePod.Facts(previous) else { return [] }
            labels.append(previous.metadata.labels)
        }
        return services.objects(pod.namespace) { service in
            service.selectsPods && labels.contains { labels in service.spec.selector.allSatisfy { labels[$0.key] == $0.value } }
        }.map(ObjectName.init)
    }

    func pods(of service: Service) -> [Pod] {
        let requirements = service.requirements
        return pods.objects(service.namespace) { requirements.matches($0.metadata.labels) }
    }

    /// The Services with a pod on the node.
    func services(onNode node: String) -> [ObjectName] {
        let namespaces = Set(pods.objects("on/\(node)").map(\.namespace))
        return namespaces.flatMap { services.objects($0) }.filter(\.selectsPods).map(ObjectName.init)
    }
}
