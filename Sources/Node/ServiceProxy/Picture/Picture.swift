internal import Netlink

/// What is to be in the table: every Service's picture, and who has what more than one of them asks for.
struct Picture {
    private(set) var services: [ObjectName: ServicePicture] = [:]
    private var descriptions: [ObjectName: ServiceDescription] = [:]
    /// Who has a frontend.
    private var owners: [Frontend: ObjectName] = [:]
    /// Who else asked for it; almost always nobody.
    private var waiting: [Frontend: Set<ObjectName>] = [:]
    private var counts: [TableElement: Int] = [:]

    /// Everything.
    var elements: [TableElement] { services.values.flatMap(\.elements) + counts.keys }
    var isEmpty: Bool { services.isEmpty }

    /// For every UDP frontend where its connections may go.
    var connections: [Frontend: Set<Backend>] { services.values.reduce(into: [:]) { $0.merge($1.connections) { $1 } } }

    /// Takes in Services that have changed; nil for those that are gone.
    /// - Parameter slices: the EndpointSlices of a Service.
    /// - Returns: what to change in the table.
    mutating func update(_ changed: [ObjectName: ServiceDescription?], slices: (ObjectName) -> [EndpointSliceDescription], node: NodeDescription) -> PictureChange {
        var change = PictureChange()
        var before: [TableElement: Int] = [:]
        var dirty = Set(changed.keys)
        // Frontends first change hands, then the pictures are made: whoever lost or won one is among them.
        for (name, service) in changed {
            descriptions[name] = service
            if service == nil { dirty.formUnion(release(name, services[name]?.claims ?? [])) }
        }
        for name in changed.keys.sorted() { if let service = descriptions[name] { dirty.formUnion(claim(service, node)) } }
        for name in dirty.sorted() {
            let old = services[name]
            var new: ServicePicture?
            if let service = descriptions[name] {
                new = ServicePicture(service, slices(name), node, previous: old) { owners[$0] == name }
            }
            services[name] = new
            change.add(from: old ?? ServicePicture(), to: new ?? ServicePicture())
            count(old?.shared ?? [], by: -1, &before)
            count(new?.shared ?? [], by: 1, &before)
        }
        for (element, count) in before {
            let now = counts[element] ?? 0
            if count == 0, now > 0 { change.added.append(element) }
            if count > 0, now == 0 { change.removed.append(element) }
        }
        return change
    }

    private mutating func count(_ elements: [TableElement], by step: Int, _ before: inout [TableElement: Int]) {
        for element in elements {
            let old = counts[element] ?? 0
            if before[element] == nil { before[element] = old }
            counts[element] = old + step == 0 ? nil : old + step
        }
    }

    /// Gives frontends up.
    /// - Returns: those who waited for one and now have it.
    private mutating func release(_ name: ObjectName, _ frontends: [Frontend]) -> Set<ObjectName> {
        var touched: Set<ObjectName> = []
        for frontend in frontends {
            waiting[frontend]?.remove(name)
            if waiting[frontend]?.isEmpty == true { waiting[frontend] = nil }
            guard owners[frontend] == name else { continue }
            let next = waiting[frontend]?.compactMap { descriptions[$0] }.min { $0.precedes($1) }?.name
            owners[frontend] = next
            if let next {
                waiting[frontend]?.remove(next)
                if waiting[frontend]?.isEmpty == true { waiting[frontend] = nil }
                touched.insert(next)
            }
        }
        return touched
    }

    /// Asks for a Service's frontends, and gives up those that it no longer names.
    /// - Returns: those whose frontends changed hands.
    private mutating func claim(_ service: ServiceDescription, _ node: NodeDescription) -> Set<ObjectName> {
        let wanted = ServicePicture(service, EmptyCollection(), node) { _ in false }.claims
        let old = services[service.name]?.claims ?? []
        if old == wanted { return [] }
        var touched: Set<ObjectName> = []
        if !old.isEmpty {
            let kept = Set(wanted)
            touched = release(service.name, old.filter { !kept.contains($0) })
        }
        for frontend in wanted {
            guard let owner = owners[frontend], owner != service.name else {
                owners[frontend] = service.name
                continue
            }
            if let rival = descriptions[owner], rival.precedes(service) {
                waiting[frontend, default: []].insert(service.name)
            } else {
                owners[frontend] = service.name
                waiting[frontend]?.remove(service.name)
                waiting[frontend, default: []].insert(owner)
                touched.insert(owner)
            }
        }
        return touched
    }
}

/// The difference of two pictures: what goes, then what comes.
struct PictureChange {
    var removed: [TableElement] = []
    var added: [TableElement] = []
    /// UDP frontends whose connections must be looked at, with where they may go.
    var connections: [Frontend: Set<Backend>] = [:]

    var isEmpty: Bool { removed.isEmpty && added.isEmpty }
    var count: Int { removed.count + added.count }

    /// Compares what one Service was and is.
    mutating func add(from old: ServicePicture, to new: ServicePicture) {
        addElements(old.elements[...], new.elements[...])
        for (frontend, backends) in new.connections {
            let before = old.connections[frontend]
            // More endpoints leave every connection in its place, unless there were none: then it was not translated.
            if before == nil || before?.isEmpty == true && !backends.isEmpty || before?.isSubset(of: backends) == false { connections[frontend] = backends }
        }
        for frontend in old.connections.keys where new.connections[frontend] == nil {
            // Another Service may have it by now, and says so itself.
            if connections[frontend] == nil { connections[frontend] = [] }
        }
    }

    private mutating func addElements(_ old: ArraySlice<TableElement>, _ new: ArraySlice<TableElement>) {
        var (old, new) = (old, new)
        // Lists keep their order, so that most of a long one is the same on both sides.
        while let (left, right) = old.first.flatMap({ left in new.first.map { (left, $0) } }), left == right { (old, new) = (old.dropFirst(), new.dropFirst()) }
        while let (left, right) = old.last.flatMap({ left in new.last.map { (left, $0) } }), left == right { (old, new) = (old.dropLast(), new.dropLast()) }
        if old.isEmpty { return added += new }
        if new.isEmpty { return removed += old }
        let (oldSet, newSet) = (Set(old), Set(new))
        removed += old.filter { !newSet.contains($0) }
        added += new.filter { !oldSet.contains($0) }
    }
}
