public import JSONTree
public import KubeAPI
public import KubeTypes

/// A typed client of the Kubernetes API. It owns nothing; how requests travel is its transport's business.
///
/// Objects are changed by patches: a generated struct drops the fields that it does not know, so only `create` sends one.
public struct KubeClient: Sendable {
    public enum PatchType: String, Sendable {
        case json = "application/json-patch+json"
        case merge = "application/merge-patch+json"
        case strategic = "application/strategic-merge-patch+json"
    }

    public let transport: any Transport

    public init(transport: any Transport) { self.transport = transport }

    // MARK: JSON

    /// Sends a request and reads the JSON of its answer. Throws `KubeError` for every status above 299.
    public func call(_ request: APIRequest) async throws -> JSON {
        let response = try await transport.send(request)
        guard (200..<300).contains(response.status) else { throw KubeError(status: response.status, body: response.body) }
        do {
            return try JSON(parsing: response.body)
        } catch {
            throw KubeError(code: response.status, reason: .decoding, message: "expected JSON in the answer to \(request.method.rawValue) \(request.path)", cause: error)
        }
    }

    public func get(_ resource: ResourceReference, namespace: String? = nil, name: String) async throws -> JSON {
        try await call(APIRequest(.get, resource.path(namespace: namespace, name: name)))
    }

    public func list(_ resource: ResourceReference, namespace: String? = nil, options: ListOptions = .init()) async throws -> JSON {
        try await call(APIRequest(.get, resource.path(namespace: namespace), query: options.query))
    }

    public func create(_ resource: ResourceReference, namespace: String? = nil, name: String? = nil, subresource: String? = nil, _ object: JSON) async throws -> JSON {
        let path = name.map { resource.path(namespace: namespace, name: $0, subresource: subresource) } ?? resource.path(namespace: namespace)
        return try await call(APIRequest(.post, path, contentType: "application/json", body: object.bytes()))
    }

    public func update(_ resource: ResourceReference, namespace: String? = nil, name: String, subresource: String? = nil, _ object: JSON) async throws -> JSON {
        try await call(APIRequest(.put, resource.path(namespace: namespace, name: name, subresource: subresource), contentType: "application/json", body: object.bytes()))
    }

    public func patch(
        _ resource: ResourceReference, namespace: String? = nil, name: String, subresource: String? = nil, type: PatchType = .merge, _ patch: JSON
    ) async throws -> JSON {
        try await call(APIRequest(.patch, resource.path(namespace: namespace, name: name, subresource: subresource), contentType: type.rawValue, body: patch.bytes()))
    }

    /// - Parameter uid: deletes only the object of this identity, not a later one of the same name.
    public func delete(
        _ resource: ResourceReference, namespace: String? = nil, name: String, uid: String? = nil, gracePeriodSeconds: Int? = nil
    ) async throws -> JSON {
        var options: JSONObject = ["apiVersion": "v1", "kind": "DeleteOptions"]
        if let gracePeriodSeconds { options["gracePeriodSeconds"] = JSON(gracePeriodSeconds) }
        if let uid { options["preconditions"] = ["uid": .string(uid)] }
        return try await call(APIRequest(.delete, resource.path(namespace: namespace, name: name), contentType: "application/json", body: JSON.object(options).bytes()))
    }

    // MARK: Types

    public func get<Object: KubeObject>(_ type: Object.Type, namespace: String? = nil, name: String) async throws -> Object {
        try Self.decode(try await get(Object.resource, namespace: namespace, name: name))
    }

    public func list<Object: KubeObject>(_ type: Object.Type, namespace: String? = nil, options: ListOptions = .init()) async throws -> ObjectList<Object> {
        try Self.decode(try await list(Object.resource, namespace: namespace, options: options))
    }

    /// Creates the object in the namespace of its metadata.
    @discardableResult
    public func create<Object: KubeObject>(_ object: Object) async throws -> Object {
        try Self.decode(try await create(Object.resource, namespace: object.metadata.namespace, object.json))
    }

    /// Applies a merge patch.
    @discardableResult
    public func patch<Object: KubeObject>(_ type: Object.Type, namespace: String? = nil, name: String, subresource: String? = nil, patchType: PatchType = .merge, _ patch: JSON) async throws -> Object {
        try Self.decode(try await self.patch(Object.resource, namespace: namespace, name: name, subresource: subresource, type: patchType, patch))
    }

    static func decode<Value: KubeValue>(_ json: JSON) throws -> Value {
        do {
            return try Value(json: json)
        } catch {
            throw KubeError(reason: .decoding, message: "expected \(Value.self) in the answer", cause: error)
        }
    }
}

/// What a list or a watch asks for.
public struct ListOptions: Sendable, Hashable {
    public var labelSelector: String?
    public var fieldSelector: String?
    public var resourceVersion: String?
    public var limit: Int?
    public var continuation: String?

    public init(labelSelector: String? = nil, fieldSelector: String? = nil, resourceVersion: String? = nil, limit: Int? = nil, continuation: String? = nil) {
        self.labelSelector = labelSelector
        self.fieldSelector = fieldSelector
        self.resourceVersion = resourceVersion
        self.limit = limit
        self.continuation = continuation
    }

    var query: [APIRequest.Pair] {
        var pairs: [APIRequest.Pair] = []
        if let labelSelector { pairs.append(.init("labelSelector", labelSelector)) }
        if let fieldSelector { pairs.append(.init("fieldSelector", fieldSelector)) }
        if let resourceVersion { pairs.append(.init("resourceVersion", resourceVersion)) }
        if let limit { pairs.append(.init("limit", String(limit))) }
        if let continuation { pairs.append(.init("continue", continuation)) }
        return pairs
    }
}

extension KubeError {
    /// The error of an answer whose body should be a `Status`.
    public init(status code: Int, body: [UInt8]) {
        guard let json = try? JSON(parsing: body), json["kind"]?.string == "Status" else {
            // Not of the API: a proxy's page, or nothing. Its first bytes are all there is to tell.
            self.init(code: code, reason: .unknown, message: "the server answered \(code): \(String(decoding: body.prefix(200), as: UTF8.self))")
            return
        }
        self.init(statusObject: json, code: code)
    }

    /// The error that a `Status` object tells of.
    public init(statusObject json: JSON, code: Int? = nil) {
        let details = json["details"].map { details in
            Details(
                name: details["name"]?.string ?? "", kind: details["kind"]?.string ?? "",
                causes: (details["causes"]?.array ?? []).map {
                    .init(reason: $0["reason"]?.string ?? "", message: $0["message"]?.string ?? "", field: $0["field"]?.string ?? "")
                }, retryAfterSeconds: details["retryAfterSeconds"]?.int.map(Int.init))
        }
        self.init(
            code: Int(json["code"]?.int ?? Int64(code ?? 0)), reason: Reason(rawValue: json["reason"]?.string ?? "Unknown"),
            message: json["message"]?.string ?? "", details: details)
    }
}
