internal import JSONTree
internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

/// One request about resources: finds the store, reads the body, calls the verb, writes the answer.
struct ResourceRequest: Sendable {
    let server: APIServer
    let request: ServerRequest
    let info: RequestInfo
    let context: WriteContext

    /// Verbs that change nothing.
    private static let readVerbs: Set = ["get", "list", "watch"]

    func respond() async throws(StatusError) -> ServerResponse {
        let api = server.api
        guard let definition = api.registry.definition(group: info.group, version: info.version, resource: info.resource),
            let store = definition.isCustom ? api.customStore(definition) : server.stores[GroupResource(definition.reference)]
        else { throw .unknownPath() }
        let isDefinition = store.resource == .customResourceDefinitions
        if api.terminating.contains(store.resource), info.verb == "create" {
            throw StatusError(
                code: 405, reason: "MethodNotAllowed", message: "create not allowed while custom resource definition is terminating",
                details: StatusError.details(store.resource))
        }
        let response = try await respond(definition, store)
        if !Self.readVerbs.contains(info.verb), isDefinition || api.terminating.contains(store.resource) { await server.reconcileDefinitions() }
        return definition.custom?.deprecationWarning.map(response.warning) ?? response
    }

    private func respond(_ definition: ResourceDefinition, _ store: ObjectStore) async throws(StatusError) -> ServerResponse {
        guard definition.namespaced || info.namespace.isEmpty || info.resource == "namespaces"
        else { throw .unknownPath() }
        if info.resource == "bindings", info.group.isEmpty {
            guard info.verb == "create", !info.namespace.isEmpty else { throw .methodNotAllowed(store.resource, info.verb) }
            return try await bind(name: nil)
        }
        if definition.isReview {
            guard let handler = ReviewHandlers.handler(store.resource), info.subresource.isEmpty, info.name.isEmpty else { throw .unknownPath() }
            return try await respondReview(handler, definition)
        }
        guard info.subresource.isEmpty else { return try await respondSubresource(store) }
        let needsName = ["update", "patch"].contains(info.verb)
        guard definition.verbs.contains(info.verb), !needsName || !info.name.isEmpty else { throw .methodNotAllowed(store.resource, info.verb) }
        switch info.verb {
        case "get": return .bytes(try output(store).object(try await store.get(namespace: info.namespace, name: info.name)))
        case "list": return try await list(store)
        case "watch": return try await watch(store)
        case "create": return try await create(store)
        case "update": return try await update(store, .whole)
        case "patch": return try await patch(store, .whole)
        case "delete": return try await delete(store)
        case "deletecollection": return try await deleteCollection(store)
        default: throw .methodNotAllowed(store.resource, info.verb)
        }
    }

    func output(_ store: ObjectStore) throws(StatusError) -> ObjectResponse {
        let form = try OutputForm.negotiate(request.headers)
        var include = IncludeObject.metadata
        if let text = request.query["includeObject"], !text.isEmpty {
            guard let value = IncludeObject(rawValue: text) else { throw .badRequest("includeObject: Unsupported value: \"\(text)\"") }
            include = value
        }
        return ObjectResponse(definition: store.definition, form: form, include: include, now: server.configuration.now)
    }

    // MARK: reading

    private func selection(_ store: ObjectStore, _ options: ListOptions) throws(StatusError) -> Selection {
        try Selection(
            namespace: store.definition.namespaced ? info.namespace : "", labelSelector: options.labelSelector,
            fieldSelector: options.fieldSelector, fields: store.fields, resource: store.resource)
    }

    private func list(_ store: ObjectStore) async throws(StatusError) -> ServerResponse {
        let options = try ListOptions(request.query)
        try options.checkList()
        let output = try output(store)
        return output.list(try await store.list(try selection(store, options), options))
    }

    private func watch(_ store: ObjectStore) async throws(StatusError) -> ServerResponse {
        let options = try ListOptions(request.query)
        let output = try output(store)
        return output.watch(try await WatchSession.open(store, try selection(store, options), options))
    }

    // MARK: writing

    var dryRun: Bool {
        get throws(StatusError) { try RequestBodies.dryRun(request.query.all("dryRun")) }
    }

    var fieldValidation: FieldValidation {
        get throws(StatusError) { try FieldValidation(parameter: request.query["fieldValidation"]) }
    }

    /// The body as an object of the store's kind, with defaults.
    private func decode(_ store: ObjectStore) async throws(StatusError) -> (object: JSON, warnings: [String]) {
        let validation = try fieldValidation
        let (body, duplicates) = try await RequestBodies.json(request, server.configuration.registry)
        var (object, warnings) = try store.definition.decode(body, duplicates: duplicates, fieldValidation: validation)
        store.definition.applyDefaults(to: &object)
        return (object, warnings)
    }

    private func create(_ store: ObjectStore) async throws(StatusError) -> ServerResponse {
        guard info.name.isEmpty else { throw .methodNotAllowed(store.resource, "create") }
        let output = try output(store)
        let dryRun = try dryRun
        let decoded = try await decode(store)
        var namespace = info.namespace
        if store.definition.namespaced, namespace.isEmpty {
            // Without a namespace in the path, the body may name one.
            guard let named = nonEmpty(decoded.object[path: "metadata", "namespace"]) else {
                throw .badRequest("an empty namespace may not be set during creation")
            }
            namespace = named
        }
        let outcome = try await store.create(decoded.object, namespace: namespace, dryRun: dryRun, context: context)
        return .bytes(output.object(outcome.object), status: .created, warnings: decoded.warnings)
    }

    func update(_ store: ObjectStore, _ part: ObjectStore.Part) async throws(StatusError) -> ServerResponse {
        let output = try output(store)
        let dryRun = try dryRun
        let decoded = try await decode(store)
        if store.definition.isCustom, nonEmpty(decoded.object[path: "metadata", "resourceVersion"]) == nil {
            let error = FieldError.invalid(.metadata.child("resourceVersion"), 0, "must be specified for an update")
            throw .invalid(store.definition.reference, name: info.name, [error])
        }
        let outcome = try await store.update(
            namespace: info.namespace, name: info.name, part: part, dryRun: dryRun, context: context
        ) { _ throws(StatusError) in decoded.object }
        return .bytes(output.object(outcome.object), warnings: decoded.warnings)
    }

    func patch(_ store: ObjectStore, _ part: ObjectStore.Part) async throws(StatusError) -> ServerResponse {
        if RequestBodies.contentType(request) == ApplyRequest.mediaType { return try await apply(store, part) }
        if request.query["force"] != nil {
            throw .invalid(options: "PatchOptions", .forbidden(FieldPath("force"), "may not be specified for non-apply patch"))
        }
        let output = try output(store)
        let (dryRun, validation) = (try dryRun, try fieldValidation)
        let patch = try ObjectPatch(contentType: RequestBodies.contentType(request), body: try await RequestBodies.bytes(request))
        let warnings = WarningBox()
        let outcome = try await store.update(
            namespace: info.namespace, name: info.name, part: part, dryRun: dryRun, context: context
        ) { old throws(StatusError) in
            let decoded = try patch.apply(to: old, store.definition, validation)
            warnings.set(decoded.warnings)
            return decoded.object
        }
        return .bytes(output.object(outcome.object), warnings: warnings.get())
    }

    // MARK: deleting

    private func delete(_ store: ObjectStore) async throws(StatusError) -> ServerResponse {
        let output = try output(store)
        let options = try await RequestBodies.deleteOptions(request, server.configuration.registry)
        switch try await store.delete(namespace: info.namespace, name: info.name, options: options, context: context) {
        case .pending(let object): return .bytes(output.object(object))
        case .removed(let object):
            if store.lifecycle.returnsDeletedObject { return .bytes(output.object(object)) }
            let uid = object.json()[path: "metadata", "uid"]?.string ?? ""
            return .json(Self.success(StatusError.details(store.resource, info.name, uid: uid)))
        }
    }

    static func success(_ details: JSONObject? = nil, code: Int? = nil) -> JSON {
        var status: JSON = ["kind": "Status", "apiVersion": "v1", "metadata": [:], "status": "Success"]
        if let details { status["details"] = .object(details) }
        if let code { status["code"] = JSON(code) }
        return status
    }

    private func deleteCollection(_ store: ObjectStore) async throws(StatusError) -> ServerResponse {
        let listOptions = try ListOptions(request.query)
        try listOptions.checkList()
        let output = try output(store)
        let options = try await RequestBodies.deleteOptions(request, server.configuration.registry)
        let page = try await store.list(try selection(store, listOptions), listOptions)
        var deleted: [CachedObject] = []
        for object in page.objects {
            do throws(StatusError) {
                switch try await store.delete(namespace: object.key.namespace, name: object.key.name, options: options, context: context) {
                case .pending(let object), .removed(let object): deleted.append(object)
                }
            } catch {
                // Somebody else was faster: it is gone, which is what was asked for.
                if error.code != 404 { throw error }
            }
        }
        return output.list(ObjectStore.Page(objects: deleted, revision: page.revision))
    }
}
