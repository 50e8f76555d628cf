internal import Synchronization

/// News of one object.
public enum ServiceChange: Sendable {
    case service(ServiceDescription)
    case serviceRemoved(ObjectName)
    case slice(EndpointSliceDescription)
    /// By the slice's own name.
    case sliceRemoved(ObjectName)
    /// All Services, or all EndpointSlices, have been told once. Before both are, nothing is put into effect: a restarted
    /// node would end Services that it has not heard of yet.
    case servicesComplete
    case slicesComplete
}

/// The Services and EndpointSlices as last told, and which of them have changed since they were last looked at.
final class ServiceStore: Sendable {
    struct State {
        var services: [ObjectName: ServiceDescription] = [:]
        /// By Service, then by the slice's name.
        var slices: [ObjectName: [String: EndpointSliceDescription]] = [:]
        var sliceOwners: [ObjectName: ObjectName] = [:]
        var dirty: Set<ObjectName> = []
        /// Counts changes: what has been told at a certain moment.
        var version: UInt64 = 0
        var hasServices = false
        var hasSlices = false
        /// Somebody has been woken and has not looked yet.
        var isPending = false

        /// - Returns: whether it changed anything.
        mutating func take(_ change: ServiceChange) -> Bool {
            switch change {
            case .service(let service):
                guard services.updateValue(service, forKey: service.name) != service else { return false }
                dirty.insert(service.name)
            case .serviceRemoved(let name):
                guard services.removeValue(forKey: name) != nil else { return false }
                dirty.insert(name)
            case .slice(let slice):
                let owner = ObjectName(slice.name.namespace, slice.service)
                if let before = sliceOwners[slice.name], before != owner { _ = take(.sliceRemoved(slice.name)) }
                guard slices[owner, default: [:]].updateValue(slice, forKey: slice.name.name) != slice else { return false }
                sliceOwners[slice.name] = owner
                if services[owner] != nil { dirty.insert(owner) }
            case .sliceRemoved(let name):
                guard let owner = sliceOwners.removeValue(forKey: name) else { return false }
                slices[owner]?[name.name] = nil
                if slices[owner]?.isEmpty == true { slices[owner] = nil }
                if services[owner] != nil { dirty.insert(owner) }
            case .servicesComplete:
                if hasServices { return false }
                hasServices = true
            case .slicesComplete:
                if hasSlices { return false }
                hasSlices = true
            }
            version += 1
            return true
        }
    }

    /// What to put into effect.
    struct Work: Sendable {
        var version: UInt64
        /// Nil: gone.
        var services: [ObjectName: ServiceDescription?]
        var slices: [ObjectName: [EndpointSliceDescription]]
    }

    private let state = Mutex(State())

    /// - Returns: whether somebody must be woken to look: once for all that comes until they do.
    func take(_ changes: some Sequence<ServiceChange>) -> Bool {
        state.withLock { state in
            var isNews = false
            for change in changes where state.take(change) { isNews = true }
            defer { state.isPending = state.isPending || isNews }
            return isNews && !state.isPending
        }
    }

    var version: UInt64 { state.withLock { $0.version } }

    /// The Services that have changed; nil until everything has been told once.
    /// - Parameter all: every Service, changed or not.
    func work(all: Bool) -> Work? {
        state.withLock { state in
            state.isPending = false
            guard state.hasServices, state.hasSlices else { return nil }
            if all { state.dirty.formUnion(state.services.keys) }
            var work = Work(version: state.version, services: [:], slices: [:])
            for name in state.dirty {
                work.services.updateValue(state.services[name], forKey: name)
                if let slices = state.slices[name] { work.slices[name] = slices.values.sorted { $0.name < $1.name } }
            }
            state.dirty = []
            return work
        }
    }
}
