/// What becomes of the events of one source: repeats of one raise the count of the object that is there, many similar ones
/// become one, and nobody talks without end about one object. The rules and numbers are those of upstream's client-go.
///
/// ```
/// occurrence ──▶ similar? (10 messages in 10 min: combined) ──▶ seen? (count + 1, patch) ──▶ too many? (dropped, but counted)
/// ```
/// Pure: time is handed in, and what was sent is told with ``sent(_:as:)``.
public struct EventCorrelator: Sendable {
    /// What an event says, without when.
    public struct Occurrence: Sendable, Hashable {
        public var object: EventObject
        /// The part of the object: `spec.containers{name}`.
        public var fieldPath: String
        public var type: String
        public var reason: String
        public var message: String

        public init(object: EventObject, fieldPath: String = "", type: String, reason: String, message: String) {
            (self.object, self.fieldPath, self.type, self.reason, self.message) = (object, fieldPath, type, reason, message)
        }
    }

    /// What an event is about.
    public struct EventObject: Sendable, Hashable {
        public var apiVersion: String
        public var kind: String
        public var namespace: String
        public var name: String
        public var uid: String

        public init(apiVersion: String, kind: String, namespace: String, name: String, uid: String) {
            (self.apiVersion, self.kind, self.namespace, self.name, self.uid) = (apiVersion, kind, namespace, name, uid)
        }
    }

    /// What stands for one Event object: an occurrence, or all that are similar.
    public struct Key: Sendable, Hashable {
        var object: EventObject
        var fieldPath: String?
        var type: String
        var reason: String
        /// Nil: any.
        var message: String?
    }

    /// What to send.
    public struct Verdict: Sendable, Hashable {
        public var key: Key
        public var message: String
        /// How often it has happened, this time included.
        public var count: Int
        /// The object to patch; nil: none has been made yet.
        public var name: String?
        /// Too much was said about this object: nothing is sent, but the next time counts this one.
        public var isDropped: Bool
    }

    /// Events about one object that are sent at once.
    public static let burst = 25
    /// After those, one in this time.
    public static let refill = Duration.seconds(300)
    /// From this many different messages with one reason on they are combined …
    public static let similarLimit = 10
    /// … unless nothing like them happened for this long.
    public static let similarInterval = Duration.seconds(600)
    public static let combinedPrefix = "(combined from similar events): "
    /// Entries remembered of each kind; of more the older half is forgotten.
    static let remembered = 4096

    private struct Similar {
        var messages: Set<String> = []
        var last: Duration
    }
    private struct Seen {
        var name: String?
        var count: Int
        var last: Duration
    }
    private struct Bucket {
        var tokens: Double
        var last: Duration
    }
    private var similar: [Key: Similar] = [:]
    private var seen: [Key: Seen] = [:]
    private var buckets: [EventObject: Bucket] = [:]

    public init() {}

    /// - Parameters:
    ///   - times: how often it happened since it was told last; they are sent as one.
    ///   - now: of a clock that nobody sets, since any fixed point.
    public mutating func observe(_ occurrence: Occurrence, times: Int = 1, now: Duration) -> Verdict {
        let isCombined = joinSimilar(occurrence, now)
        let key = Key(
            object: occurrence.object, fieldPath: isCombined ? nil : occurrence.fieldPath, type: occurrence.type, reason: occurrence.reason,
            message: isCombined ? nil : occurrence.message)
        let count = (seen[key]?.count ?? 0) + times
        let name = seen[key]?.name
        seen[key] = Seen(name: name, count: count, last: now)
        Self.forgetOldest(&seen) { $0.last }
        return Verdict(
            key: key, message: isCombined ? Self.combinedPrefix + occurrence.message : occurrence.message, count: count, name: name,
            isDropped: !takeToken(occurrence.object, now))
    }

    /// The event is at the server now, under this name; nil: it is not there any more.
    public mutating func sent(_ key: Key, as name: String?) { seen[key]?.name = name }

    private mutating func joinSimilar(_ occurrence: Occurrence, _ now: Duration) -> Bool {
        let key = Key(object: occurrence.object, fieldPath: nil, type: occurrence.type, reason: occurrence.reason, message: nil)
        var group = similar[key] ?? Similar(last: now)
        if now - group.last > Self.similarInterval { group.messages = [] }
        group.last = now
        group.messages.insert(occurrence.message)
        let isCombined = group.messages.count >= Self.similarLimit
        // The first ones keep their own objects; no more are remembered than it takes to know that there are many.
        if isCombined { group.messages.remove(occurrence.message) }
        similar[key] = group
        Self.forgetOldest(&similar) { $0.last }
        return isCombined
    }

    private mutating func takeToken(_ object: EventObject, _ now: Duration) -> Bool {
        var bucket = buckets[object] ?? Bucket(tokens: Double(Self.burst), last: now)
        bucket.tokens = min(Double(Self.burst), bucket.tokens + (now - bucket.last) / Self.refill)
        bucket.last = now
        let has = bucket.tokens >= 1
        if has { bucket.tokens -= 1 }
        buckets[object] = bucket
        Self.forgetOldest(&buckets) { $0.last }
        return has
    }

    private static func forgetOldest<Key, Value>(_ entries: inout [Key: Value], _ last: (Value) -> Duration) {
        guard entries.count > remembered else { return }
        let newest = entries.sorted { last($0.value) > last($1.value) }.prefix(remembered / 2)
        entries = Dictionary(uniqueKeysWithValues: newest.map { ($0.key, $0.value) })
    }
}
