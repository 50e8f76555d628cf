import KubeAPI
import KubeClient
import KubeTypes
import Logging

/// Removes requests for certificates that nobody needs any more.
struct CertificateRequestCleaner: Controller {
    /// After a decision or a certificate, and for a request that nobody looked at.
    static let decided = Duration.seconds(3600)
    static let pending = Duration.seconds(24 * 3600)

    let client: KubeClient
    let informers: SharedInformers
    let clock: ControllerClock
    let logger: Logger

    func run() async {
        let queue = RetryingQueue<String>(clock: clock, logger: logger)
        await Following.run([
            ChangeSource(informers.certificateRequests) { change in
                if let request = change.object { queue.add(request.name) }
            }
        ]) { await queue.run { try await clean($0) } }
    }

    /// When a request may go; nil as long as somebody has to do something about it.
    static func deadline(_ request: CertificateSigningRequest) -> Time? {
        guard !request.status.conditions.isEmpty else { return request.metadata.creationTimestamp.map { $0 + pending } }
        let isIssued = request.status.certificate?.isEmpty == false
        return request.status.conditions.compactMap { condition -> Time? in
            guard condition.type == "Denied" || condition.type == "Failed" || (condition.type == "Approved" && isIssued) else { return nil }
            return condition.lastUpdateTime.map { $0 + decided }
        }.min()
    }

    private func clean(_ name: String) async throws -> WorkResult {
        guard let request = informers.certificateRequests.object(name: name), let deadline = Self.deadline(request) else { return .done }
        let now = clock.now()
        guard now >= deadline else { return .again(after: deadline - now) }
        try await ignoringNotFound { _ = try await client.delete(CertificateSigningRequest.resource, name: name, uid: request.uid) }
        return .done
    }
}
