public import JSONTree

/// Kubernetes' strategic merge patch: maps are merged, lists too where the schema says by which key, and directives in
/// the patch (`$patch`, `$retainKeys`, `$deleteFromPrimitiveList/…`, `$setElementOrder/…`) say the rest.
///
/// Source of the rules: the API conventions and the behaviour of kube-apiserver, whose tests' cases ours repeat.
public struct StrategicMergePatch {
    private static let patchDirective = "$patch"
    private static let retainKeysDirective = "$retainKeys"
    private static let deletePrefix = "$deleteFromPrimitiveList/"
    private static let orderPrefix = "$setElementOrder/"

    public static func apply(_ patch: JSONObject, to object: JSON, schema: Schema) throws(APIValueError) -> JSON {
        try mergeMap(object, patch, schema)
    }

    // MARK: Maps

    private static func mergeMap(_ original: JSON, _ patch: JSONObject, _ schema: Schema?) throws(APIValueError) -> JSON {
        var patch = patch
        if let directive = patch[patchDirective] {
            patch[patchDirective] = nil
            switch directive.string {
            case "replace": return try withoutDirectives(.object(patch), schema)
            case "delete": return [:]
            case "merge": break
            default: throw APIValueError(.patch, "unknown patch type found: \(directive)")
            }
        }
        var result = original.object ?? [:]
        try retainKeys(&patch, &result)
        var orders: [(field: String, order: [JSON])] = []
        for (key, change) in patch {
            if key.hasPrefix(orderPrefix) {
                guard let order = change.array else { throw APIValueError(.patch, "expected \(key) to be an array, found \(change.typeName)") }
                orders.append((String(key.dropFirst(orderPrefix.count)), order))
            } else if key.hasPrefix(deletePrefix) {
                guard let values = change.array else { throw APIValueError(.patch, "expected \(key) to be an array, found \(change.typeName)") }
                result[String(key.dropFirst(deletePrefix.count))]?.withArray { $0.removeAll { values.contains($0) } }
            } else if change.isNull {
                result[key] = nil
            } else {
                let before = result.removeForUpdate(key)
                result[key] = try merge(before, change, member(key, of: schema))
            }
        }
        for (field, order) in orders {
            guard let list = result[field]?.array else { continue }
            let property = member(field, of: schema)
            result[field] = .array(reorder(list, by: order, before: original[field]?.array ?? [], key: property?.patchMergeKey))
        }
        return .object(result)
    }

    private static func member(_ key: String, of schema: Schema?) -> Schema? {
        schema?.additionalProperties ?? schema?.property(key)
    }

    /// `$retainKeys` lists all members that may stay: the others go before the patch is merged.
    private static func retainKeys(_ patch: inout JSONObject, _ result: inout JSONObject) throws(APIValueError) {
        guard let directive = patch.removeValue(forKey: retainKeysDirective) else { return }
        guard let keys = directive.array?.compactMap(\.string) else {
            throw APIValueError(.patch, "expected $retainKeys to be an array of strings, found \(directive)")
        }
        for (key, value) in patch where !value.isNull && !key.hasPrefix("$") && !keys.contains(key) {
            throw APIValueError(.patch, "expected $retainKeys to list all members of the patch, found \"\(key)\" missing")
        }
        result.removeAll { !keys.contains($0.key) }
    }

    private static func merge(_ original: JSON, _ change: JSON, _ schema: Schema?) throws(APIValueError) -> JSON {
        switch change {
        case .object(let patch):
            if schema?.isAny == true || (schema?.type == .object && schema?.isStruct == false && schema?.isMap == false) {
                var result = original
                result.merge(change)
                return result
            }
            return try mergeMap(original, patch, schema)
        case .array(let patch): return .array(try mergeList(original.array ?? [], patch, schema))
        default: return change
        }
    }

    // MARK: Lists

    private static func mergeList(_ original: [JSON], _ patch: [JSON], _ schema: Schema?) throws(APIValueError) -> [JSON] {
        guard let schema, schema.patchMerges else { return try patch.filter { !isDirective($0) }.map { (item) throws(APIValueError) in try withoutDirectives(item, schema?.items) } }
        if let key = schema.patchMergeKey { return try mergeListOfMaps(original, patch, key: key, schema.items) }
        return original + patch.filter { !original.contains($0) }
    }

    private static func isDirective(_ item: JSON) -> Bool { item.object.map { $0.count == 1 && $0.contains(patchDirective) } ?? false }

    private static func mergeListOfMaps(
        _ original: [JSON], _ patch: [JSON], key: String, _ items: Schema?
    ) throws(APIValueError) -> [JSON] {
        var changes: [JSONObject] = []
        var replaces = false
        var result = original
        for item in patch {
            guard var change = item.object else { throw APIValueError(.patch, "expected an element with \"\(key)\", found \(item)") }
            switch change.removeValue(forKey: patchDirective)?.string {
            case nil, "merge": changes.append(change)
            case "replace":
                // An element of its own, or the element that stands for the whole list.
                replaces = true
                if !change.isEmpty { changes.append(change) }
            case "delete":
                guard let value = change[key] else { throw missingKey(change, key) }
                result.removeAll { $0[key] == value }
            case let other?: throw APIValueError(.patch, "unknown patch type found: \"\(other)\"")
            }
        }
        if replaces { result = [] }
        for change in changes {
            guard let value = change[key] else { throw missingKey(change, key) }
            if let index = result.firstIndex(where: { $0[key] == value }) {
                result[index] = try mergeMap(result[index], change, items)
            } else {
                result.append(try mergeMap([:], change, items))
            }
        }
        return result
    }

    private static func missingKey(_ item: JSONObject, _ key: String) -> APIValueError {
        APIValueError(.patch, "map: \(JSON.object(item)) does not contain declared merge key: \(key)")
    }

    /// New content from a patch: its directives and nulls mean nothing where there was nothing before.
    private static func withoutDirectives(_ value: JSON, _ schema: Schema?) throws(APIValueError) -> JSON {
        switch value {
        case .object(let object): try mergeMap([:], object, schema)
        case .array(let elements): .array(try mergeList([], elements, schema))
        default: value
        }
    }

    // MARK: Order

    /// Brings the elements that the order names into that order. Elements that only the server has keep their place
    /// relative to those that were before them.
    private static func reorder(_ list: [JSON], by order: [JSON], before: [JSON], key: String?) -> [JSON] {
        func identity(_ element: JSON) -> JSON { key.flatMap { element[$0] } ?? element }
        func positions(_ elements: [JSON]) -> [JSON: Int] {
            Dictionary(elements.enumerated().map { (identity($0.element), $0.offset) }, uniquingKeysWith: { first, _ in first })
        }
        let wanted = positions(order)
        let old = positions(before)
        func sorted(_ elements: [JSON], by places: [JSON: Int]) -> [JSON] {
            elements.enumerated().sorted { left, right in
                let places = (places[identity(left.element)] ?? Int.max, places[identity(right.element)] ?? Int.max)
                return places.0 == places.1 ? left.offset < right.offset : places.0 < places.1
            }.map(\.element)
        }
        var ours = sorted(list.filter { wanted[identity($0)] != nil }, by: wanted)[...]
        var servers = sorted(list.filter { wanted[identity($0)] == nil }, by: old)[...]
        var result: [JSON] = []
        while let server = servers.first, let our = ours.first {
            if let serverPlace = old[identity(server)], let ourPlace = old[identity(our)], serverPlace < ourPlace {
                result.append(servers.removeFirst())
            } else {
                result.append(ours.removeFirst())
            }
        }
        return result + ours + servers
    }
}
