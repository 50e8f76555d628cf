internal import JSONTree
internal import KubeAPI

/// Brings the default roles and bindings into the storage, at each start.
struct PolicyBootstrap {
    let stores: [GroupResource: ObjectStore]
    let context: WriteContext

    func run() async throws(StatusError) {
        try await reconcile("clusterroles", DefaultPolicy.clusterRoles)
        try await reconcile("clusterrolebindings", DefaultPolicy.clusterRoleBindings)
        try await reconcile("roles", NamespacedRole.all.map(\.role))
        try await reconcile("rolebindings", NamespacedRole.all.map(\.binding))
    }

    private func reconcile(_ resource: String, _ objects: [JSON]) async throws(StatusError) {
        guard let store = stores[GroupResource(group: "rbac.authorization.k8s.io", resource: resource)] else { return }
        for desired in objects {
            let name = desired[path: "metadata", "name"]?.string ?? ""
            let namespace = desired[path: "metadata", "namespace"]?.string ?? ""
            guard let found = store.objects.object(namespace: namespace, name: name) else {
                try await create(desired, namespace, store)
                continue
            }
            switch PolicyReconciliation.of(found.json(), desired: desired) {
            case .nothing: continue
            case .update(let object):
                _ = try await store.update(namespace: namespace, name: name, part: .whole, dryRun: false, context: context) { _ throws(StatusError) in object }
            case .replace(let object):
                _ = try await store.delete(namespace: namespace, name: name, options: DeleteOptions(), context: context)
                try await create(object, namespace, store)
            }
        }
    }

    private func create(_ object: JSON, _ namespace: String, _ store: ObjectStore) async throws(StatusError) {
        var object = object
        store.definition.applyDefaults(to: &object)
        _ = try await store.create(object, namespace: namespace, dryRun: false, context: context)
    }
}
