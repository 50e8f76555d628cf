import KubeClient
import KubeTypes
import Synchronization

/// A controller's own view of an informer's objects, found by what the controller looks for: an owner, a namespace, a Service.
///
/// It is fed by the one loop that also tells the controller's queue, so that the work on a key sees at least what woke it.
final class ObjectIndex<Object: KubeObject>: Sendable {
    private struct State {
        var objects: [ObjectName: Object] = [:]
        var byKey: [String: Set<ObjectName>] = [:]

        mutating func set(_ name: ObjectName, _ object: Object?, _ keys: (Object) -> [String]) {
            let old = objects[name]
            objects[name] = object
            let before = old.map(keys) ?? []
            let after = object.map(keys) ?? []
            for key in before where !after.contains(key) {
                byKey[key]?.remove(name)
                if byKey[key]?.isEmpty == true { byKey[key] = nil }
            }
            for key in after where !before.contains(key) { byKey[key, default: []].insert(name) }
        }
    }

    private let keys: @Sendable (Object) -> [String]
    private let state = Mutex(State())

    /// - Parameter keys: under which an object is found.
    init(_ keys: @escaping @Sendable (Object) -> [String]) { self.keys = keys }

    func apply(_ change: Informer<Object>.Change) {
        state.withLock { state in
            switch change {
            case .added(let object), .modified(let object, _): state.set(ObjectName(object), object, keys)
            case .deleted(let object):
                // A later object of the same name may have come first: a list tells of both at once.
                guard state.objects[ObjectName(object)]?.uid == object.uid else { return }
                state.set(ObjectName(object), nil, keys)
            case .synced: break
            }
        }
    }

    func object(_ name: ObjectName) -> Object? { state.withLock { $0.objects[name] } }

    /// The objects under a key, those that are looked for, by name.
    func objects(_ key: String, where isIncluded: (Object) -> Bool = { _ in true }) -> [Object] {
        // Not under the lock: there may be thousands to look at.
        let found = state.withLock { state in (state.byKey[key] ?? []).compactMap { state.objects[$0] } }
        return found.filter(isIncluded).sorted { ($0.namespace, $0.name) < ($1.namespace, $1.name) }
    }

    var all: [Object] { state.withLock { Array($0.objects.values) } }
}
