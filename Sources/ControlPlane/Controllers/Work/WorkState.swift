/// Which keys wait, which are worked on, and when which come back. A value without tasks or clocks.
///
/// ```
///            add                next                finish(done)
///  (nothing) ───▶ waiting ───────▶ running ───────────────▶ (nothing)
///                    ▲              │  │ add while running: waiting again at its end
///                    └── due ◀──────┘  finish(retry, later)
/// ```
struct WorkState<Key: Hashable & Sendable> {
    /// How many keys may be worked on at once.
    let limit: Int
    /// First in, first out; those before `head` are taken.
    private var queue: [Key] = []
    private var head = 0
    private var waiting: Set<Key> = []
    private var running: Set<Key> = []
    private var cameAgain: Set<Key> = []
    private var failures: [Key: Int] = [:]
    /// When a key comes back by itself: one time a key, the earliest.
    private var wakes: [Key: Duration] = [:]

    init(limit: Int) { self.limit = limit }

    mutating func add(_ key: Key) {
        if running.contains(key) {
            cameAgain.insert(key)
        } else if waiting.insert(key).inserted {
            queue.append(key)
        }
    }

    /// The next key to work on, if another may be.
    mutating func next() -> Key? {
        guard running.count < limit, head < queue.count else { return nil }
        let key = queue[head]
        head += 1
        if head == queue.count || head > 4096 {
            queue.removeFirst(head)
            head = 0
        }
        waiting.remove(key)
        running.insert(key)
        return key
    }

    /// The work on a key has ended.
    /// - Parameters:
    ///   - now: on the clock of `due`.
    ///   - backoff: how long to wait after so many failures in a row.
    /// - Returns: when to call `due`, if a new alarm is needed.
    mutating func finish(_ key: Key, _ result: WorkResult, now: Duration, backoff: (Int) -> Duration) -> Duration? {
        running.remove(key)
        if cameAgain.remove(key) != nil { add(key) }
        let wait: Duration
        switch result {
        case .done:
            failures[key] = nil
            return nil
        case .again(let after):
            failures[key] = nil
            wait = after
        case .retry:
            failures[key, default: 0] += 1
            wait = backoff(failures[key] ?? 1)
        }
        let wake = now + wait
        // An earlier alarm looks at the key then, and sets the next one.
        if let set = wakes[key], set <= wake { return nil }
        wakes[key] = wake
        return wake
    }

    /// An alarm rings. One that an earlier alarm took the place of is not heard.
    mutating func due(_ key: Key, at time: Duration) {
        guard wakes[key] == time else { return }
        wakes[key] = nil
        add(key)
    }
}

/// What the work on a key came to.
enum WorkResult: Sendable, Hashable {
    case done
    /// Not as it should be: again, after a longer wait each time.
    case retry
    /// As it should be until then, as far as is known.
    case again(after: Duration)

    /// The earlier of two: nothing, or a time.
    static func at(_ times: Duration?...) -> WorkResult {
        times.compactMap { $0 }.min().map { .again(after: $0) } ?? .done
    }
}
