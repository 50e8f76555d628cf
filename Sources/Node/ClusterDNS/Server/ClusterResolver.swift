import Synchronization

/// Answers messages: the cluster's names from the zone, all others from the host's resolvers.
public final class ClusterResolver: Sendable {
    /// How many names may stand for each other in a row.
    private static let aliasLimit = 8

    private let zone: Mutex<ClusterZone>
    private let forwarder: Forwarder

    public init(zone: ClusterZone, forwarder: Forwarder) {
        self.zone = Mutex(zone)
        self.forwarder = forwarder
    }

    /// Changes the zone; answers from then on are the new ones.
    public func update(_ change: @Sendable (inout ClusterZone) -> Void) { zone.withLock { change(&$0) } }

    /// What happens to a message.
    public enum Outcome: Sendable {
        case answer(DNSMessage)
        /// Others have to be asked: ``resolve(_:)``.
        case needsOthers
        /// Not a question: nothing is sent, or two servers could answer each other for ever.
        case ignored
    }

    /// The answer, if it is at hand.
    public func answer(_ query: DNSMessage) -> Outcome {
        guard !query.isResponse else { return .ignored }
        guard query.opcode == 0 else { return .answer(query.response(.notImplemented)) }
        guard query.questions.count == 1 else { return .answer(query.response(.formatError)) }
        if let edns = query.edns, edns.version > 0 { return .answer(query.response(.badVersion)) }
        let question = query.questions[0]
        // Transfers of the zone (251, 252) and other classes than the internet's are for nobody.
        guard question.questionClass == 1 || question.questionClass == 255, ![251, 252].contains(question.type.rawValue) else {
            return .answer(query.response(.refused))
        }
        return local(query)
    }

    private func local(_ query: DNSMessage) -> Outcome {
        var response = query.response()
        var question = query.questions[0]
        let rotation = Int.random(in: 0..<(1 << 16))
        for _ in 0..<Self.aliasLimit {
            let (answer, authority) = zone.withLock { ($0.answer(question, rotation: rotation), $0.authority) }
            switch answer {
            case .records(let records, let additional):
                response.isAuthoritative = true
                response.answers += records
                response.additionals += additional
                return .answer(response)
            case .noData, .noSuchName:
                response.isAuthoritative = true
                // Behind an alias, the code is that of its target (RFC 6604).
                if answer == .noSuchName { response.code = .nameError }
                response.authorities = [authority]
                return .answer(response)
            case .unavailable:
                return .answer(query.response(.serverFailure))
            case .alias(let record, let target):
                response.answers.append(record)
                question.name = target
            case .notOurs:
                return .needsOthers
            }
        }
        return .answer(query.response(.serverFailure))
    }

    /// Asks others for a message that ``answer(_:)`` has none for.
    public func resolve(_ query: DNSMessage) async -> DNSMessage {
        guard var question = query.questions.first else { return query.response(.formatError) }
        // An alias that leads out of the cluster comes first in the answer.
        var aliases: [DNSRecord] = []
        while aliases.count < Self.aliasLimit, case .alias(let record, let target) = zone.withLock({ $0.answer(question) }) {
            aliases.append(record)
            question.name = target
        }
        do {
            let answer = try await forwarder.resolve(question, dnssecOK: query.edns?.dnssecOK ?? false, checkingDisabled: query.checkingDisabled)
            var response = query.response(answer.code)
            response.authenticData = answer.authenticData && aliases.isEmpty
            response.answers = aliases + answer.answers
            response.authorities = answer.authorities
            response.additionals = answer.additionals
            return response
        } catch {
            return query.response(.serverFailure)
        }
    }
}
