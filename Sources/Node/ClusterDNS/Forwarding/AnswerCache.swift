/// Answers of resolvers, for as long as they say but not long: bounded in number and time.
struct AnswerCache: Sendable {
    /// What tells answers apart.
    struct Key: Sendable, Hashable {
        var question: DNSMessage.Question
        var dnssecOK: Bool
        var checkingDisabled: Bool
    }

    private struct Entry {
        var message: DNSMessage
        var stored: Duration
        var expires: Duration
    }

    /// Seconds. A host's resolver caches too; this one is for bursts.
    static let longest: UInt32 = 30

    private let capacity: Int
    private var entries: [Key: Entry] = [:]

    init(capacity: Int) { self.capacity = capacity }

    var count: Int { entries.count }

    /// The answer with its times to live as they are now.
    mutating func answer(_ key: Key, now: Duration) -> DNSMessage? {
        guard let entry = entries[key] else { return nil }
        guard now < entry.expires else {
            entries[key] = nil
            return nil
        }
        let age = UInt32(clamping: (now - entry.stored).components.seconds)
        var message = entry.message
        func aged(_ records: [DNSRecord]) -> [DNSRecord] {
            records.map { record in
                var record = record
                record.ttl -= min(age, record.ttl)
                return record
            }
        }
        message.answers = aged(message.answers)
        message.authorities = aged(message.authorities)
        message.additionals = aged(message.additionals)
        return message
    }

    /// Keeps an answer, if it may be kept.
    mutating func store(_ message: DNSMessage, for key: Key, now: Duration) {
        guard let ttl = Self.lifetime(of: message), ttl > 0 else { return }
        if entries.count >= capacity, entries[key] == nil { makeRoom(now: now) }
        entries[key] = Entry(message: message, stored: now, expires: now + .seconds(ttl))
    }

    private mutating func makeRoom(now: Duration) {
        entries = entries.filter { $0.value.expires > now }
        // Still full: any of them goes. Which one hardly matters at these lifetimes.
        while entries.count >= capacity, let key = entries.keys.first { entries[key] = nil }
    }

    /// Seconds; `nil` if the answer is not to be kept.
    static func lifetime(of message: DNSMessage) -> UInt32? {
        guard !message.isTruncated else { return nil }
        switch message.code {
        case .noError where !message.answers.isEmpty:
            return min(longest, message.answers.map(\.ttl).min() ?? 0)
        case .noError, .nameError:
            // That there is nothing is believed as long as the zone's authority says (RFC 2308, section 5).
            for record in message.authorities {
                if case .soa(let soa) = record.data { return min(longest, record.ttl, soa.minimum) }
            }
            return nil
        default: return nil
        }
    }
}
