internal import JSONTree
internal import KubeAPI
internal import Logging
internal import Storage
internal import Synchronization

/// CustomResourceDefinitions at work. After every change of a definition, and before it is answered, the server decides on
/// names, serves what is accepted and clears away what is deleted: whoever has made a definition can use it at once.
extension APIServer {
    func reconcileDefinitions() async {
        await gate.run { [self] in
            do {
                // The first round may finish deletions, whose names the second gives to those that wait for them.
                while try await reconcileOnce() {}
            } catch {
                configuration.logger.warning("custom resource definitions", metadata: ["error": "\(error)"])
            }
        }
    }

    /// - Returns: whether a definition has gone.
    private func reconcileOnce() async throws(StatusError) -> Bool {
        guard let store = stores[.customResourceDefinitions] else { return false }
        try await cache.catchUp()
        var definitions = store.objects.snapshot(namespace: "").objects.map { $0.json() }.sorted { left, right in
            func age(_ object: JSON) -> (String, String) {
                (object[path: "metadata", "creationTimestamp"]?.string ?? "", object[path: "metadata", "name"]?.string ?? "")
            }
            return age(left) < age(right)
        }
        for index in definitions.indices { definitions[index] = try await judged(definitions, index, store) }
        publish(definitions.filter(DefinitionStatus.isEstablished))
        var isAnyGone = false
        for definition in definitions where definition[path: "metadata", "deletionTimestamp"] != nil {
            if try await clear(definition, store) { isAnyGone = true }
        }
        return isAnyGone
    }

    /// The definition with the status that it should have, stored if that is another one.
    private func judged(_ definitions: [JSON], _ index: Int, _ store: ObjectStore) async throws(StatusError) -> JSON {
        let definition = definitions[index]
        let group = definition[path: "spec", "group"]
        var taken = DefinitionStatus.TakenNames()
        for (other, object) in definitions.enumerated() where other != index && object[path: "spec", "group"] == group {
            taken.add(object[path: "status", "acceptedNames"])
        }
        for builtIn in configuration.registry.definitions where builtIn.reference.group == group?.string {
            taken.resources.formUnion([builtIn.reference.resource, builtIn.singular] + builtIn.shortNames)
            taken.kinds.formUnion([builtIn.kind, builtIn.listKind])
        }
        let status = DefinitionStatus.of(definition, taken: taken, now: configuration.now())
        guard status != definition["status"] else { return definition }
        let name = definition[path: "metadata", "name"]?.string ?? ""
        do throws(StatusError) {
            let outcome = try await store.update(namespace: "", name: name, part: .status, dryRun: false, context: ownContext) { old in
                var changed = old
                changed["metadata"]?["resourceVersion"] = nil
                changed["status"] = status
                return changed
            }
            return outcome.object.json()
        } catch {
            // Deleted in between: the next round, which the deletion brings, does not see it any more.
            guard error.code == 404 else { throw error }
            return definition
        }
    }

    private var ownContext: WriteContext {
        WriteContext(user: User(name: "system:apiserver", groups: ["system:masters"]), now: configuration.now(), manager: "swiftlet")
    }

    // MARK: serving

    private func publish(_ definitions: [JSON]) {
        var custom: [ObjectStore] = []
        var terminating: Set<GroupResource> = []
        for definition in definitions {
            for version in definition[path: "spec", "versions"]?.array ?? [] where version["served"] == true {
                do {
                    let resource = try ResourceDefinition(definition: definition, version: version, catalog: configuration.registry.catalog)
                    let store = customStore(resource)
                    custom.append(store)
                    if definition[path: "metadata", "deletionTimestamp"] != nil { terminating.insert(store.resource) }
                } catch {
                    configuration.logger.warning("custom resource definition", metadata: ["error": "\(error)"])
                }
            }
        }
        let before = api
        let next = ServedAPI(
            configuration.registry, custom: custom, terminating: terminating,
            openAPI: openAPIEndpoint(configuration.registry.adding(custom.map(\.definition))))
        state.withLock { $0 = next }
        for resource in before.customResources.subtracting(next.customResources) { cache.cache(resource)?.endWatches() }
    }

    private func customStore(_ definition: ResourceDefinition) -> ObjectStore {
        let objects = cache.ensure(GroupResource(definition.reference))
        return ObjectStore(
            definition: definition, lifecycle: PlainLifecycle(), fields: Fields.selectable(definition), cache: cache, objects: objects,
            environment: environment)
    }

    // MARK: clearing away

    /// Deletes the objects of a definition that is being deleted; then lets the definition go.
    /// - Returns: whether it has gone.
    private func clear(_ definition: JSON, _ store: ObjectStore) async throws(StatusError) -> Bool {
        let finalizers = definition[path: "metadata", "finalizers"]?.array ?? []
        let cleanup: JSON = "customresourcecleanup.apiextensions.k8s.io"
        guard finalizers.contains(cleanup) else { return false }
        let resource = GroupResource(
            group: definition[path: "spec", "group"]?.string ?? "", resource: definition[path: "spec", "names", "plural"]?.string ?? "")
        // A definition that was never served has no objects, unless another one of the same names has.
        if DefinitionStatus.isEstablished(definition), let objects = api.customStore(resource) {
            for object in objects.objects.snapshot(namespace: "").objects {
                do throws(StatusError) {
                    _ = try await objects.delete(
                        namespace: object.key.namespace, name: object.key.name, options: DeleteOptions(propagationPolicy: "Background"), context: ownContext)
                } catch {
                    if error.code != 404 { throw error }
                }
            }
            guard objects.objects.count == 0 else { return false }
        }
        do throws(StatusError) {
            _ = try await store.update(
                namespace: "", name: definition[path: "metadata", "name"]?.string ?? "", part: .trusted, dryRun: false, context: ownContext
            ) { old in
                var changed = old
                changed["metadata"]?["resourceVersion"] = nil
                changed["metadata"]?["finalizers"] = .array((old[path: "metadata", "finalizers"]?.array ?? []).filter { $0 != cleanup })
                return changed
            }
        } catch {
            if error.code != 404 { throw error }
        }
        return true
    }
}
