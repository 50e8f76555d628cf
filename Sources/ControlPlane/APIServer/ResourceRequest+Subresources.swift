internal import JSONTree
internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1
internal import Synchronization

/// The parts of objects that have a path of their own.
extension ResourceRequest {
    func respondSubresource(_ store: ObjectStore) async throws(StatusError) -> ServerResponse {
        guard let served = server.api.discovery.subresources(of: store.definition).first(where: { $0.name == info.subresource }) else { throw .unknownPath() }
        guard served.verbs.contains(info.verb) else { throw .methodNotAllowed(store.resource, info.verb) }
        switch info.subresource {
        case "status", "approval":
            let part = info.subresource == "status" ? ObjectStore.Part.status : .approval
            switch info.verb {
            case "get": return .bytes(try output(store).object(try await store.get(namespace: info.namespace, name: info.name)))
            case "update": return try await update(store, part)
            default: return try await patch(store, part)
            }
        case "scale": return try await respondScale(store)
        case "token":
            guard let handler = ReviewHandlers.handler(store.resource, "token"),
                let definition = server.configuration.registry.definition(typeName: handler.typeName)
            else { throw .unknownPath() }
            return try await respondReview(handler, definition)
        case "finalize": return try await update(store, .finalizers)
        case "binding": return try await bind(name: info.name)
        case "eviction": return try await evict(store)
        case "log": return try server.proxy.log(try await store.get(namespace: info.namespace, name: info.name), request.query)
        case "exec", "attach":
            let pod = try await store.get(namespace: info.namespace, name: info.name)
            return try server.proxy.exec(pod, request.query, attach: info.subresource == "attach")
        case "portforward": return try server.proxy.portForward(try await store.get(namespace: info.namespace, name: info.name), request.query)
        default: throw .unknownPath()
        }
    }

    // MARK: binding

    /// Gives a pod its node.
    /// - Parameter name: the pod's, if the path says it; else the body does.
    func bind(name: String?) async throws(StatusError) -> ServerResponse {
        guard let store = server.stores[.pods] else { throw .unknownPath() }
        let dryRun = try dryRun
        let (body, _) = try await RequestBodies.json(request, server.configuration.registry)
        let pod = name ?? nonEmpty(body[path: "metadata", "name"]) ?? ""
        if let stated = nonEmpty(body[path: "metadata", "name"]), stated != pod {
            throw .badRequest("the name of the object (\(stated)) does not match the name on the URL (\(pod))")
        }
        if let stated = nonEmpty(body[path: "metadata", "namespace"]), stated != info.namespace {
            throw .badRequest("the namespace of the provided object does not match the namespace sent on the request")
        }
        guard let definition = server.configuration.registry.definition(group: "", version: "v1", resource: "bindings") else { throw .unknownPath() }
        var errors: [FieldError] = []
        definition.strategy.validate(body, &errors)
        guard errors.isEmpty, let node = nonEmpty(body[path: "target", "name"]) else { throw .invalid(definition.reference, name: pod, errors) }
        _ = try await store.update(namespace: info.namespace, name: pod, part: .trusted, dryRun: dryRun, context: context) { old throws(StatusError) in
            try Self.bound(old, to: node, body, pod, context.now)
        }
        return .json(Self.success(code: 201), status: .created)
    }

    private static func bound(_ old: JSON, to node: String, _ body: JSON, _ name: String, _ now: Time) throws(StatusError) -> JSON {
        let resource = GroupResource(group: "", resource: "pods/binding")
        if let uid = nonEmpty(body[path: "metadata", "uid"]), let found = old[path: "metadata", "uid"]?.string, uid != found {
            throw .conflict(resource, name, "Precondition failed: UID in precondition: \(uid), UID in object meta: \(found)")
        }
        if old[path: "metadata", "deletionTimestamp"] != nil {
            throw .conflict(resource, name, "pod \(name) is being deleted, cannot be assigned to a host")
        }
        if let taken = nonEmpty(old[path: "spec", "nodeName"]) {
            throw .conflict(resource, name, "pod \(name) is already assigned to node \"\(taken)\"")
        }
        if let gates = old[path: "spec", "schedulingGates"]?.array, !gates.isEmpty {
            throw .conflict(resource, name, "pod \(name) has non-empty .spec.schedulingGates")
        }
        var pod = old
        pod["metadata"]?["resourceVersion"] = nil
        pod["spec"]?["nodeName"] = .string(node)
        for member in ["annotations", "labels"] {
            for (key, value) in body[path: "metadata", member]?.object ?? [:] {
                if pod[path: "metadata", member]?.object == nil { pod["metadata"]?[member] = [:] }
                pod["metadata"]?[member]?[key] = value
            }
        }
        var conditions = (pod[path: "status", "conditions"]?.array ?? []).filter { $0["type"]?.string != "PodScheduled" }
        conditions.append(["type": "PodScheduled", "status": "True", "lastProbeTime": nil, "lastTransitionTime": .string(now.description)])
        if pod["status"]?.object == nil { pod["status"] = [:] }
        pod["status"]?["conditions"] = .array(conditions)
        return pod
    }

    // MARK: eviction

    /// A polite delete. There are no disruption budgets yet that could refuse it.
    private func evict(_ store: ObjectStore) async throws(StatusError) -> ServerResponse {
        let (body, _) = try await RequestBodies.json(request, server.configuration.registry)
        var options = DeleteOptions()
        options.dryRun = try dryRun
        let stated = body["deleteOptions"]
        options.gracePeriodSeconds = stated?["gracePeriodSeconds"]?.int
        options.uid = stated?[path: "preconditions", "uid"]?.string
        options.resourceVersion = stated?[path: "preconditions", "resourceVersion"]?.string
        if let values = stated?["dryRun"]?.array, try RequestBodies.dryRun(values.compactMap(\.string)) { options.dryRun = true }
        _ = try await store.delete(namespace: info.namespace, name: info.name, options: options, context: context)
        return .json(Self.success(code: 201), status: .created)
    }
}

/// Carries warnings out of a closure that may run more than once.
final class WarningBox: Sendable {
    private let warnings = Mutex<[String]>([])
    func set(_ value: [String]) { warnings.withLock { $0 = value } }
    func get() -> [String] { warnings.withLock { $0 } }
}
