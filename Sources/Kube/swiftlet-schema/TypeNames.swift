import KubeAPI

/// The Swift name of each type: its Kubernetes name; where two groups have one of the same name, the core group keeps
/// it and the other puts its group before it (`EventsEvent`).
struct TypeNames {
    private var names: [String: String] = [:]

    init(catalog: SchemaCatalog) {
        var taken: Set<String> = []
        let order = catalog.documents.keys.sorted { ($0 == "core/v1" ? 0 : $0 == "meta/v1" ? 1 : 2, $0) < ($1 == "core/v1" ? 0 : $1 == "meta/v1" ? 1 : 2, $1) }
        for document in order {
            for full in catalog.typeNames(in: document) {
                let name = String(full.dropFirst(document.count + 1))
                let group = document.prefix { $0 != "/" }
                let unique = taken.contains(name) ? group.prefix(1).uppercased() + group.dropFirst() + name : name
                taken.insert(unique)
                names[full] = unique
            }
        }
    }

    subscript(_ full: String) -> String { names[full] ?? full }
}
