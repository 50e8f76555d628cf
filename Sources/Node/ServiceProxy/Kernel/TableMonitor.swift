internal import Glibc
internal import LinuxSystem
internal import Netlink
internal import Synchronization

/// Hears what others do to the proxy's table.
///
/// The kernel tells every change of nf_tables in the network namespace; a transaction ends with its generation and who asked
/// for it. Changes by our own socket carry its port and are skipped.
final class TableMonitor: Sendable {
    enum Event: Sendable, Hashable {
        /// Another program changed the table.
        case foreign(ForeignChange)
        /// The kernel dropped messages: nobody knows.
        case overrun
    }

    struct ForeignChange: Sendable, Hashable {
        var generation: UInt32
        /// What and by whom, in words.
        var description: String
    }

    private let socket: NetlinkSocket
    private let wake: FileDescriptor
    private let isStopped = Atomic(false)

    /// - Parameters:
    ///   - ownPort: the netlink port of the socket whose changes are ours.
    ///   - handler: called on the monitor's own thread.
    init(table: String, ownPort: UInt32, namespacePath: String?, handler: @escaping @Sendable (Event) -> Void) throws {
        socket = try namespacePath.map { try NetlinkSocket.open(.netfilter, inside: $0) } ?? NetlinkSocket(.netfilter)
        wake = try Descriptors.event()
        try socket.join(group: NetlinkGroup.nftables)
        let thread = try KernelThread()
        let loop = Loop(monitor: self, table: table, ownPort: ownPort, handler: handler, executor: thread)
        Task { await loop.run() }
    }

    /// While our own long transactions go on: their messages would only fill the socket's buffer.
    func pause() throws(NetlinkError) { try socket.leave(group: NetlinkGroup.nftables) }
    func resume() throws(NetlinkError) { try socket.join(group: NetlinkGroup.nftables) }

    /// Ends the thread.
    func stop() {
        isStopped.store(true, ordering: .relaxed)
        let one: UInt64 = 1
        _ = withUnsafeBytes(of: one) { bytes in try? wake.write(bytes) }  // a full counter wakes as well
    }

    /// On its thread until stopped.
    private actor Loop {
        let monitor: TableMonitor
        let table: String
        let ownPort: UInt32
        let handler: @Sendable (Event) -> Void
        let executor: KernelThread
        nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

        init(monitor: TableMonitor, table: String, ownPort: UInt32, handler: @escaping @Sendable (Event) -> Void, executor: KernelThread) {
            (self.monitor, self.table, self.ownPort, self.handler, self.executor) = (monitor, table, ownPort, handler, executor)
        }

        func run() {
            guard let poller = try? Poller(), (try? poller.add(monitor.socket.descriptor, .readable, token: 0)) != nil,
                (try? poller.add(monitor.wake, .readable, token: 1)) != nil
            else { return handler(.overrun) }  // the audit must do
            var transaction = ForeignTransaction(table: table, ownPort: ownPort)
            while !monitor.isStopped.load(ordering: .relaxed) {
                guard let ready = try? poller.wait() else { return handler(.overrun) }
                guard ready.contains(where: { $0.token == 0 }) else { continue }
                do throws(NetlinkError) {
                    for message in try monitor.socket.receive() { if let change = transaction.take(message) { handler(.foreign(change)) } }
                } catch {
                    transaction = ForeignTransaction(table: table, ownPort: ownPort)
                    handler(.overrun)
                }
            }
        }
    }
}

/// Gathers the messages of one transaction. Pure.
struct ForeignTransaction {
    let table: String
    let ownPort: UInt32
    private var parts: [String: Int] = [:]

    init(table: String, ownPort: UInt32) { (self.table, self.ownPort) = (table, ownPort) }

    /// - Returns: what the transaction did to the table, when it is complete and did something.
    mutating func take(_ message: NetlinkMessage) -> TableMonitor.ForeignChange? {
        guard message.port != ownPort, let event = NFTablesEvent(message) else { return nil }
        switch event {
        case .added(let subject, .inet, table): parts["added \(subject.rawValue)", default: 0] += 1
        case .removed(let subject, .inet, table): parts["removed \(subject.rawValue)", default: 0] += 1
        case .added, .removed: break
        case .generation(let number, let pid, let process):
            defer { parts = [:] }
            if parts.isEmpty { return nil }
            let what = parts["removed table"] != nil ? "removed the table" : parts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value) times" }.joined(separator: ", ")
            return .init(generation: number, description: "\(process.isEmpty ? "a process" : process) (pid \(pid)) \(what)")
        }
        return nil
    }
}
