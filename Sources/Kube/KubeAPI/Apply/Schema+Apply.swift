import JSONTree

/// How a value is taken apart.
enum ApplyForm {
    /// One field, whatever it holds.
    case leaf
    case map
    /// Objects told apart by their keys.
    case list
    case set
}

extension Schema {
    /// The schema of what an element leads to.
    func below(_ element: FieldSet.Element) -> Schema? {
        if case .field(let name) = element { return property(name) ?? additionalProperties }
        return items
    }

    /// What tells an element of a list from the others; nil if it has no key.
    func listElement(_ item: JSON) -> FieldSet.Element? {
        guard listType == .map else { return .value(item) }
        var key = JSONObject()
        for name in listMapKeys {
            if let value = item[name], !value.isNull {
                key.append(key: name, value: value)
            } else if let value = items?.property(name)?.defaultValue {
                key.append(key: name, value: value)
            }
        }
        return key.isEmpty ? nil : .key(.object(key))
    }
}

extension ApplyForm {
    /// Where there is no schema, objects are maps and lists are one value.
    init(_ value: JSON, _ schema: Schema?) {
        switch value {
        case .object: self = schema?.isAtomicMap == true || (schema != nil && schema?.type != .object && schema?.isAny == false) ? .leaf : .map
        case .array:
            switch schema?.listType {
            case .map: self = .list
            case .set: self = .set
            default: self = .leaf
            }
        default: self = .leaf
        }
    }
}

/// The difference between two states of an object.
struct FieldChanges {
    var added = FieldSet()
    var modified = FieldSet()
    var removed = FieldSet()

    var isEmpty: Bool { added.isEmpty && modified.isEmpty && removed.isEmpty }
}

extension FieldSet {
    /// The fields that a value has.
    init(of value: JSON, _ schema: Schema?) {
        switch ApplyForm(value, schema) {
        case .leaf: break
        case .map:
            for (name, member) in value.object ?? [:] {
                let child = schema?.below(.field(name))
                let isEmptyMap = member.object?.isEmpty ?? false
                let isStructField = schema?.property(name) != nil
                let isLeaf = if case .leaf = ApplyForm(member, child) { true } else { false }
                set(.field(name), isMember: isLeaf || isEmptyMap || !isStructField, children: FieldSet(of: member, child))
            }
        case .list, .set:
            for item in value.array ?? [] {
                guard let element = schema?.listElement(item) else { continue }
                set(element, isMember: true, children: schema?.listType == .map ? FieldSet(of: item, schema?.items) : FieldSet())
            }
        }
    }
}

extension FieldChanges {
    /// What was done to get from one state to the other.
    init(from old: JSON, to new: JSON, _ schema: Schema?) {
        guard old != new else { return }
        switch ApplyForm(new, schema) {
        case .leaf: break
        case .map:
            let (before, after) = (old.object ?? [:], new.object ?? [:])
            for (name, value) in after { compare(.field(name), before[name], value, schema) }
            for (name, value) in before where after[name] == nil { compare(.field(name), value, nil, schema) }
        case .list, .set:
            let (before, after) = (Self.elements(old, schema), Self.elements(new, schema))
            for (element, value) in after { compare(element, before[element], value, schema) }
            for (element, value) in before where after[element] == nil { compare(element, value, nil, schema) }
        }
    }

    private static func elements(_ list: JSON, _ schema: Schema?) -> [FieldSet.Element: JSON] {
        var result: [FieldSet.Element: JSON] = [:]
        for item in list.array ?? [] {
            if let element = schema?.listElement(item), result[element] == nil { result[element] = item }
        }
        return result
    }

    private mutating func compare(_ element: FieldSet.Element, _ old: JSON?, _ new: JSON?, _ parent: Schema?) {
        guard old != new else { return }
        let schema = parent?.below(element)
        if Self.isLeaf(old, schema) || Self.isLeaf(new, schema) || (Self.isEmpty(old) && Self.isEmpty(new)) {
            if old == nil { added.set(element, isMember: true) }
            else if new == nil { removed.set(element, isMember: true) }
            else { modified.set(element, isMember: true) }
            return
        }
        let empty: JSON = (new ?? old)?.array == nil ? [:] : []
        let below = FieldChanges(from: old ?? empty, to: new ?? empty, schema)
        added.set(element, isMember: old == nil, children: below.added)
        modified.set(element, isMember: false, children: below.modified)
        removed.set(element, isMember: new == nil, children: below.removed)
    }

    private static func isLeaf(_ value: JSON?, _ schema: Schema?) -> Bool {
        guard let value else { return false }
        if case .leaf = ApplyForm(value, schema) { return true }
        return false
    }

    private static func isEmpty(_ value: JSON?) -> Bool { value.map { ($0.object?.isEmpty ?? $0.array?.isEmpty) ?? false } ?? true }
}
