internal import JSONTree
internal import KubeAPI
internal import KubeHTTP
internal import NIOHTTP1

/// Writes objects, lists and watches in the form that the client asked for.
struct ObjectResponse: Sendable {
    let definition: ResourceDefinition
    let form: OutputForm
    let include: IncludeObject
    let now: @Sendable () -> Time

    private var table: TableDefinition {
        definition.isCustom ? .custom(definition) : TableDefinition.all[GroupResource(definition.reference)] ?? .plain
    }

    // MARK: one object

    func object(_ object: CachedObject) -> [UInt8] {
        switch form {
        case .object: definition.servedBytes(object)
        case .table: tableOf(definition.served(object)).bytes()
        case .metadata: TableDefinition.partial(object.json()).bytes()
        }
    }

    private func tableOf(_ json: JSON) -> JSON {
        let version = json[path: "metadata", "resourceVersion"] ?? ""
        return table.table([json], metadata: ["resourceVersion": version], include: include, now: now())
    }

    // MARK: a list

    /// Lists above this size are sent in pieces, so that they need not be in memory twice.
    private static let pieceSize = 256 << 10

    func list(_ page: ObjectStore.Page) -> ServerResponse {
        var metadata: JSON = ["resourceVersion": .string(String(page.revision))]
        if let token = page.continueToken { metadata["continue"] = .string(token.text) }
        if let remaining = page.remaining { metadata["remainingItemCount"] = JSON(remaining) }
        switch form {
        case .table:
            return .json(table.table(page.objects.map { definition.served($0) }, metadata: metadata, include: include, now: now()))
        case .metadata:
            return .json([
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
                "items": .array(page.objects.map { TableDefinition.partial($0.json()) }),
            ])
        case .object:
            return objects(page.objects, metadata: metadata)
        }
    }

    private func objects(_ objects: [CachedObject], metadata: JSON) -> ServerResponse {
        let head = Array(
            #"{"kind":"\#(definition.listKind)","apiVersion":"\#(definition.reference.apiVersion)","metadata":\#(metadata),"items":["#.utf8)
        if definition.isCustom { return custom(objects, head: head) }
        let size = objects.reduce(head.count + 2) { $0 + $1.bytes.count + 1 }
        guard size > Self.pieceSize else {
            var body = head
            body.reserveCapacity(size)
            for (index, object) in objects.enumerated() {
                if index > 0 { body.append(UInt8(ascii: ",")) }
                body += object.bytes
            }
            body += "]}".utf8
            return .bytes(body)
        }
        return .stream(status: .ok, headers: ServerResponse.jsonHeaders) { writer in
            var piece = head
            for (index, object) in objects.enumerated() {
                if index > 0 { piece.append(UInt8(ascii: ",")) }
                piece += object.bytes
                if piece.count >= Self.pieceSize {
                    try await writer.write(piece)
                    piece = []
                }
            }
            piece += "]}".utf8
            try await writer.write(piece)
        }
    }

    /// Custom resources may be stored in another version than they are asked for in.
    private func custom(_ objects: [CachedObject], head: [UInt8]) -> ServerResponse {
        var body = head
        for (index, object) in objects.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            body += definition.servedBytes(object)
        }
        body += "]}".utf8
        return .bytes(body)
    }

    // MARK: a watch

    func watch(_ session: WatchSession) -> ServerResponse {
        .stream(status: .ok, headers: ServerResponse.jsonHeaders) { writer in
            try await session.run { messages in
                var bytes: [UInt8] = []
                for message in messages { append(message, to: &bytes) }
                try await writer.write(bytes)
            }
        }
    }

    func append(_ message: WatchSession.Message, to bytes: inout [UInt8]) {
        switch message {
        case .added(let changed): append("ADDED", object(changed), to: &bytes)
        case .modified(let changed): append("MODIFIED", object(changed), to: &bytes)
        case .deleted(let changed): append("DELETED", object(changed), to: &bytes)
        case .error(let error): append("ERROR", error.json.bytes(), to: &bytes)
        case .bookmark(let revision, let endOfInitialEvents): append("BOOKMARK", bookmark(revision, endOfInitialEvents), to: &bytes)
        }
    }

    private func append(_ type: String, _ object: [UInt8], to bytes: inout [UInt8]) {
        bytes += #"{"type":"\#(type)","object":"#.utf8
        bytes += object
        bytes += "}\n".utf8
    }

    private func bookmark(_ revision: Int64, _ endOfInitialEvents: Bool) -> [UInt8] {
        var metadata: JSON = ["resourceVersion": .string(String(revision)), "creationTimestamp": nil]
        if endOfInitialEvents { metadata["annotations"] = ["k8s.io/initial-events-end": "true"] }
        let json: JSON = ["kind": .string(definition.kind), "apiVersion": .string(definition.reference.apiVersion), "metadata": metadata]
        switch form {
        case .object: return json.bytes()
        case .table: return tableOf(json).bytes()
        case .metadata: return TableDefinition.partial(json).bytes()
        }
    }
}
