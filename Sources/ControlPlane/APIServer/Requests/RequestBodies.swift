internal import JSONTree
internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

/// Reads what clients send.
enum RequestBodies {
    /// kube-apiserver's limit.
    static let limit = 3 << 20

    static func bytes(_ request: ServerRequest) async throws(StatusError) -> [UInt8] {
        do {
            return try await request.body.collect(upTo: limit)
        } catch let error as HTTPServerError where error.code == .bodyTooLarge {
            throw .tooLarge("Request entity too large: limit is \(limit)")
        } catch {
            throw .badRequest("unable to read the body: \(error)")
        }
    }

    /// The media type of the body without parameters; JSON if none is stated.
    static func contentType(_ request: ServerRequest) -> String {
        let value = request.headers["content-type"].first ?? ""
        guard let range = MediaRange.parse([value]).first else { return "application/json" }
        return range.type
    }

    static let mediaTypes = ["application/json", "application/yaml", ProtobufBody.mediaType]

    /// The body as JSON, whichever form it was sent in.
    static func json(_ request: ServerRequest, _ registry: APIRegistry) async throws(StatusError) -> (JSON, duplicates: [String]) {
        switch contentType(request) {
        case "application/json": return try parse(try await bytes(request))
        case "application/yaml": return (try YAMLBody.json(try await bytes(request)), [])
        case ProtobufBody.mediaType:
            let json = try ProtobufBody.decode(try await bytes(request)) { apiVersion, kind in
                if kind == "DeleteOptions" { return try? registry.catalog.schema("meta/v1.DeleteOptions") }
                if apiVersion == "autoscaling/v1", kind == "Scale" { return registry.scaleDefinition?.schema }
                if kind == "TokenRequest" { return try? registry.catalog.schema("authentication/v1.TokenRequest") }
                return registry.definition(apiVersion: apiVersion, kind: kind)?.schema
            }
            return (json, [])
        default: throw .unsupportedMediaType(mediaTypes)
        }
    }

    static func parse(_ bytes: [UInt8]) throws(StatusError) -> (JSON, duplicates: [String]) {
        do throws(JSONError) {
            let parsed = try JSON.parse(bytes, limits: .request)
            return (parsed.value, parsed.duplicates)
        } catch {
            throw .badRequest("couldn't get version/kind; json parse error: \(error)")
        }
    }

    /// The options of a delete: from the body if there is one, then from the query.
    static func deleteOptions(_ request: ServerRequest, _ registry: APIRegistry) async throws(StatusError) -> DeleteOptions {
        var options = DeleteOptions()
        options.dryRun = try dryRun(request.query.all("dryRun"))
        if let text = request.query["gracePeriodSeconds"] {
            guard let seconds = Int64(text) else { throw .badRequest("invalid query parameter gracePeriodSeconds: \"\(text)\"") }
            options.gracePeriodSeconds = seconds
        }
        options.propagationPolicy = request.query["propagationPolicy"]
        var orphans = request.query["orphanDependents"].map { RequestInfo.flag($0) }
        var request = request
        let body = try await bytes(request)
        if !body.isEmpty {
            request.body = .bytes(body)
            let (json, _) = try await Self.json(request, registry)
            if let kind = json["kind"]?.string, kind != "DeleteOptions" {
                throw .badRequest("the body of a delete must be DeleteOptions, found \(kind)")
            }
            options.gracePeriodSeconds = json["gracePeriodSeconds"]?.int ?? options.gracePeriodSeconds
            options.propagationPolicy = json["propagationPolicy"]?.string ?? options.propagationPolicy
            orphans = json["orphanDependents"]?.bool ?? orphans
            options.uid = json[path: "preconditions", "uid"]?.string
            options.resourceVersion = json[path: "preconditions", "resourceVersion"]?.string
            if let values = json["dryRun"]?.array, try dryRun(values.compactMap(\.string)) { options.dryRun = true }
        }
        if let seconds = options.gracePeriodSeconds, seconds < 0 || seconds > Int64(Int32.max) {
            throw .invalid(options: "DeleteOptions", .invalid(FieldPath("gracePeriodSeconds"), JSON(seconds), "must be greater than or equal to 0"))
        }
        let policies = ["Orphan", "Background", "Foreground"]
        if let policy = options.propagationPolicy, !policies.contains(policy) {
            throw .invalid(options: "DeleteOptions", .unsupported(FieldPath("propagationPolicy"), .string(policy), supported: policies))
        }
        if let orphans {
            guard options.propagationPolicy == nil else {
                throw .invalid(options: "DeleteOptions", .invalid(
                    FieldPath("propagationPolicy"), .string(options.propagationPolicy ?? ""), "orphanDependents and deletionPropagation cannot be both set"))
            }
            options.propagationPolicy = orphans ? "Orphan" : "Background"
        }
        return options
    }

    /// Whether nothing is to be stored: `dryRun=All`, the only value there is.
    static func dryRun(_ values: [String]) throws(StatusError) -> Bool {
        let stated = values.filter { !$0.isEmpty }
        guard let other = stated.first(where: { $0 != "All" }) else { return !stated.isEmpty }
        throw .invalid(options: "Options", .unsupported(FieldPath("dryRun"), .string(other), supported: ["All"]))
    }
}
