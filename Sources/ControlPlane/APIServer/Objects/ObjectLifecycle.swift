internal import JSONTree
internal import KubeAPI

/// What a request brings to a write.
struct WriteContext: Sendable {
    let user: User
    let now: Time
    /// What the client calls itself: the owner of what it writes.
    var manager = ""
    /// The part of the object that is written, as far as owners tell parts apart.
    var subresource = ""

    func with(subresource: String) -> WriteContext {
        var copy = self
        copy.subresource = subresource
        return copy
    }
}

/// Whether a write has still to be entered in `metadata.managedFields`. An apply has done so itself.
enum Tracking: Sendable {
    case update, applied
}

/// How objects of a kind come and go in this server. What they are, their defaults and rules, is KubeAPI's; this is admission
/// and the end of life. Most kinds use `PlainLifecycle`.
protocol ObjectLifecycle: Sendable {
    /// Whether the answer to a delete is the object, not a `Status`.
    var returnsDeletedObject: Bool { get }
    /// Whether a status in the body of a create is kept.
    var keepsStatusOnCreate: Bool { get }
    /// After how long the object is deleted by itself.
    var timeToLive: Duration? { get }
    /// What admission sets on a new object.
    func admit(_ object: inout JSON)
    /// How many seconds the object goes on after a delete; 0 to remove it at once.
    func gracePeriod(_ object: JSON, requested: Int64?) -> Int64
    /// Whether something beside `metadata.finalizers` and the grace period holds a deleted object back.
    func isHeldBack(_ object: JSON) -> Bool
    /// Called when an object begins to be deleted but stays.
    func markDeleted(_ object: inout JSON)
}

extension ObjectLifecycle {
    var returnsDeletedObject: Bool { false }
    var keepsStatusOnCreate: Bool { false }
    var timeToLive: Duration? { nil }
    func admit(_ object: inout JSON) {}
    func gracePeriod(_ object: JSON, requested: Int64?) -> Int64 { 0 }
    func isHeldBack(_ object: JSON) -> Bool { false }
    func markDeleted(_ object: inout JSON) {}
}

/// For kinds that are data.
struct PlainLifecycle: ObjectLifecycle {}

/// The node agent registers a node together with its status.
struct NodeLifecycle: ObjectLifecycle {
    var keepsStatusOnCreate: Bool { true }
}

/// Events are kept for an hour.
struct EventLifecycle: ObjectLifecycle {
    var timeToLive: Duration? { .seconds(3600) }
}

/// A namespace is held back by `spec.finalizers` until its contents are gone; the namespace controller then takes the finalizer
/// off through the `finalize` subresource.
struct NamespaceLifecycle: ObjectLifecycle {
    func isHeldBack(_ namespace: JSON) -> Bool { !(namespace[path: "spec", "finalizers"]?.array ?? []).isEmpty }

    func markDeleted(_ namespace: inout JSON) {
        if namespace["status"]?.object == nil { namespace["status"] = [:] }
        namespace["status"]?["phase"] = "Terminating"
    }
}

/// Which kinds have a lifecycle of their own.
enum Lifecycles {
    static func lifecycle(_ resource: GroupResource) -> any ObjectLifecycle {
        switch (resource.group, resource.resource) {
        case ("", "pods"): PodLifecycle()
        case ("", "nodes"): NodeLifecycle()
        case ("", "namespaces"): NamespaceLifecycle()
        case ("", "events"): EventLifecycle()
        default: PlainLifecycle()
        }
    }
}
