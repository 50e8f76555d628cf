import JSONTree

/// Merging and taking away by the schema, as server-side apply does it.
enum StructuredMerge {
    /// The live value with everything that the applied one says.
    static func merge(_ live: JSON?, _ applied: JSON, _ schema: Schema?) -> JSON {
        guard let live, !live.isNull else { return applied }
        switch ApplyForm(applied, schema) {
        case .leaf: return applied
        case .map:
            guard case .map = ApplyForm(live, schema), var result = live.object else { return applied }
            for (name, value) in applied.object ?? [:] { result[name] = merge(result[name], value, schema?.below(.field(name))) }
            return .object(result)
        case .list, .set:
            guard let before = live.array else { return applied }
            return .array(mergeLists(before, applied.array ?? [], schema))
        }
    }

    /// Elements that both have follow the order of the applied list; the live list's own stay where they are among them.
    private static func mergeLists(_ live: [JSON], _ applied: [JSON], _ schema: Schema?) -> [JSON] {
        var before: [FieldSet.Element: JSON] = [:]
        for item in live { if let element = schema?.listElement(item), before[element] == nil { before[element] = item } }
        let wanted = Set(applied.compactMap { schema?.listElement($0) })
        var result: [JSON] = []
        var done: Set<FieldSet.Element> = []
        var (left, right) = (live[...], applied[...])
        while !left.isEmpty || !right.isEmpty {
            if let item = left.first {
                guard let element = schema?.listElement(item), wanted.contains(element) else {
                    result.append(left.removeFirst())
                    continue
                }
                if done.contains(element) {
                    left.removeFirst()
                    continue
                }
            }
            guard let item = right.popFirst() else {
                left = left.dropFirst()
                continue
            }
            guard let element = schema?.listElement(item) else {
                result.append(item)
                continue
            }
            if let first = left.first, schema?.listElement(first) == element { left.removeFirst() }
            if done.insert(element).inserted { result.append(merge(before[element], item, schema?.items)) }
        }
        return result
    }

    /// The value without the members of a set; nil when nothing is left.
    static func remove(_ set: FieldSet, from value: JSON, _ schema: Schema?) -> JSON? {
        if set.isEmpty { return value }
        switch ApplyForm(value, schema) {
        case .leaf: return value
        case .map:
            var result = JSONObject()
            for (name, member) in value.object ?? [:] where !set.has(.field(name)) {
                guard let rest = remove(set.below(.field(name)), from: member, schema?.below(.field(name))) else { continue }
                result.append(key: name, value: rest)
            }
            return result.isEmpty ? nil : .object(result)
        case .list, .set:
            var result: [JSON] = []
            for item in value.array ?? [] {
                guard let element = schema?.listElement(item) else {
                    result.append(item)
                    continue
                }
                if set.has(element) { continue }
                if let rest = remove(set.below(element), from: item, schema?.items) { result.append(rest) }
            }
            return result.isEmpty ? nil : .array(result)
        }
    }

    /// Takes away what an applier said the last time, does not say any more, and nobody else owns.
    ///
    /// - Parameter owned: what all managers own now, the applier's new set included.
    static func prune(_ merged: JSON, last: FieldSet, owned: FieldSet, _ schema: Schema) -> JSON {
        if last.isEmpty { return merged }
        let all = FieldSet(of: merged, schema).withNamedFields(schema)
        var pruned = remove(last.withNamedFields(schema), from: merged, schema) ?? [:]
        // What others own comes back…
        var kept = FieldSet(of: pruned, schema).withNamedFields(schema)
        pruned = remove(all.subtracting(kept.union(owned.withNamedFields(schema))), from: merged, schema) ?? [:]
        // …and so does what was never the applier's.
        kept = FieldSet(of: pruned, schema).withNamedFields(schema)
        return remove(all.subtracting(kept).intersection(last.withNamedFields(schema)), from: merged, schema) ?? [:]
    }
}
