internal import BlockingCalls
internal import LinuxSystem
public import Logging
internal import Netlink
internal import Synchronization

/// Connects this node's pods: an address, a veth pair and a route for each (DESIGN section 6).
///
/// Pods are routed, not bridged. Inside, a pod has its address as a /32 and a default route through 169.254.1.1, whose
/// hardware address is fixed; outside, the host has a route to that one address over the pod's link. Nothing is asked for
/// by ARP in either direction.
///
/// State: an ``Attachment`` is written to the ledger before its link is made and removed after the link is gone. So at any
/// moment the kernel holds a subset of what the ledger says, and ``start(sandboxes:)`` can compare the two.
public final class PodNetwork: Sendable {
    public let configuration: PodNetworkConfiguration
    let ledger: Ledger
    let logger: Logger
    let state: Mutex<State>

    struct State {
        var pool: AddressPool
        /// By sandbox, those in use.
        var attachments: [String: Attachment] = [:]
        /// By address, those that rest.
        var released: [IPAddress: Attachment] = [:]
    }

    /// Reads the ledger; touches nothing else.
    /// - Parameter stateDirectory: for this network alone; made if missing.
    /// - Throws: ``PodNetworkError``
    public init(configuration: PodNetworkConfiguration, stateDirectory: String, logger: Logger) throws(PodNetworkError) {
        self.configuration = try configuration.validated()
        self.logger = logger
        ledger = try Ledger(directory: stateDirectory)
        let (found, unreadable) = try ledger.attachments()
        for name in unreadable { logger.warning("pod network ledger: \(name) is torn or of another version; its link is looked for by name") }
        var state = State(pool: AddressPool(range: configuration.podCIDRs[0]))
        for attachment in found {
            if let released = attachment.released {
                state.pool.release(attachment.address, until: released + configuration.quarantine.components.seconds)
                state.released[attachment.address] = attachment
            } else {
                _ = state.pool.take(attachment.address)
                state.attachments[attachment.sandbox] = attachment
            }
        }
        self.state = Mutex(state)
    }

    // MARK: One pod

    /// Connects a sandbox's network namespace. Idempotent: a second call completes what is missing and answers the same.
    /// - Parameter namespacePath: the pinned network namespace; it may be empty or half set up.
    /// - Returns: the addresses without prefix length, the primary family first.
    /// - Throws: ``PodNetworkError``
    public func attach(sandbox: String, namespacePath: String) async throws -> [String] {
        let attachment = try reserve(sandbox)
        try await onNode { [self] in try plug(attachment, namespacePath) }
        return [attachment.address.description]
    }

    /// Takes the pod's link, route and address back. Idempotent; the namespace may be gone.
    /// - Throws: ``PodNetworkError``; the address stays taken then.
    public func detach(sandbox: String, namespacePath: String) async throws {
        guard let attachment = state.withLock({ $0.attachments[sandbox] }) else { return }
        try await onNode { [self] in
            _ = try wrapped("remove \(attachment.link)") { try RouteSocket().deleteLink(named: attachment.link) }
        }
        try release(attachment)
    }

    /// The addresses of a sandbox that is connected.
    public func addresses(of sandbox: String) -> [String] {
        state.withLock { $0.attachments[sandbox].map { [$0.address.description] } ?? [] }
    }

    /// Finds the sandbox's place or makes one, in the ledger first.
    private func reserve(_ sandbox: String) throws(PodNetworkError) -> Attachment {
        guard !sandbox.isEmpty, !sandbox.utf8.contains(where: { $0 <= 32 || $0 == 127 }) else {
            throw PodNetworkError(.invalidConfiguration, "expected a sandbox id without blanks, found \"\(sandbox)\"")
        }
        return try state.withLock { (state) throws(PodNetworkError) -> Attachment in
            if let known = state.attachments[sandbox] { return known }
            let now = Self.now()
            for address in state.pool.rested(now: now) {
                if let old = state.released.removeValue(forKey: address), state.attachments[old.sandbox]?.link != old.link { try ledger.remove(old) }
            }
            guard let address = state.pool.take(now: now) else {
                throw PodNetworkError(.noAddressLeft, "expected a free address in \(configuration.podCIDRs[0]), found \(state.attachments.count) in use and \(state.released.count) released a moment ago")
            }
            let taken = Set(state.attachments.values.map(\.link) + state.released.values.map(\.link))
            let attachment = Attachment(sandbox: sandbox, link: linkName(sandbox, avoiding: taken), address: address)
            do throws(PodNetworkError) {
                try ledger.write(attachment)
            } catch {
                state.pool.release(address, until: now)
                throw error
            }
            state.attachments[sandbox] = attachment
            return attachment
        }
    }

    func release(_ attachment: Attachment) throws(PodNetworkError) {
        try state.withLock { (state) throws(PodNetworkError) in
            guard state.attachments[attachment.sandbox] == attachment else { return }
            var released = attachment
            released.released = Self.now()
            try ledger.write(released)
            state.attachments[attachment.sandbox] = nil
            state.released[attachment.address] = released
            state.pool.release(attachment.address, until: Self.now() + configuration.quarantine.components.seconds)
        }
    }

    private static func now() -> Int64 { Clocks.now() / 1_000_000_000 }

    /// The prefix and a hash; a second try differs, should two sandboxes meet. At most 15 bytes (IFNAMSIZ).
    private func linkName(_ sandbox: String, avoiding taken: Set<String>) -> String {
        var salt = 0
        while true {
            var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a
            for byte in "\(salt)/\(sandbox)".utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            let digits = String(hash, radix: 32)
            let name = configuration.linkPrefix + String(repeating: "0", count: max(0, 10 - digits.count)) + digits.suffix(10)
            if !taken.contains(name) { return name }
            salt += 1
        }
    }

    /// The alias that tells an audit, and a reader of `ip link`, whose a link is.
    func alias(_ sandbox: String) -> String { "swiftlet pod \(sandbox)" }

    // MARK: The kernel

    /// Runs blocking work on a thread that ends, inside the node's network namespace. The work may join another.
    func onNode<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        let path = configuration.nodeNamespacePath
        return try await OwnThread.run("pod-network") { [self] in
            if let path { try wrapped("enter \(path)") { try Namespaces.join(try Namespaces.open(path), .network) } }
            return try body()
        }
    }

    func wrapped<R>(_ what: String, _ body: () throws -> R) throws(PodNetworkError) -> R {
        do {
            return try body()
        } catch let error as PodNetworkError {
            throw error
        } catch {
            throw PodNetworkError(.kernel, "pod network: \(what): \(error)", cause: error)
        }
    }
}
