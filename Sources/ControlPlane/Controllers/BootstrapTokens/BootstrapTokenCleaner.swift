import ClusterTrust
import KubeAPI
import KubeClient
import KubeTypes
import Logging

/// Removes bootstrap tokens when they have expired.
struct BootstrapTokenCleaner: Controller {
    let client: KubeClient
    let clock: ControllerClock
    let logger: Logger

    func run() async {
        let secrets = BootstrapTokens.informer(client, logger)
        let queue = RetryingQueue<String>(clock: clock, logger: logger)
        let source = ChangeSource(secrets) { change in
            if let secret = change.object { queue.add(secret.name) }
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await secrets.run() }
            group.addTask { await Following.run([source]) { await queue.run { try await clean($0, secrets) } } }
        }
    }

    private func clean(_ name: String, _ secrets: Informer<Secret>) async throws -> WorkResult {
        guard let secret = secrets.object(namespace: BootstrapTokenSecret.namespace, name: name), let token = BootstrapTokenSecret(secret: secret.json)
        else { return .done }
        let now = clock.now()
        guard token.isExpired(at: now) else { return .at(token.expiration.map { $0 - now }) }
        try await ignoringNotFound {
            _ = try await client.delete(Secret.resource, namespace: BootstrapTokenSecret.namespace, name: name, uid: secret.uid)
        }
        logger.info("removed the expired bootstrap token \(token.token.id)")
        return .done
    }
}

enum BootstrapTokens {
    /// The Secrets that hold tokens.
    static func informer(_ client: KubeClient, _ logger: Logger) -> Informer<Secret> {
        Informer(client, namespace: BootstrapTokenSecret.namespace, options: .init(fieldSelector: "type=\(BootstrapTokenForm.secretType)"), logger: logger)
    }
}
