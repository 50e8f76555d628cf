import NIOCore
import Synchronization

/// The open connections of a server.
final class ConnectionRegistry: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var isShuttingDown = false
        var drained: EventLoopPromise<Void>?
    }

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.channels.count } }

    func add(_ channel: any Channel) {
        let isShuttingDown = state.withLock { state in
            state.channels[ObjectIdentifier(channel)] = channel
            return state.isShuttingDown
        }
        channel.closeFuture.whenComplete { [self] _ in remove(channel) }
        // Accepted in the very moment in which the listener was closed.
        if isShuttingDown { channel.close(promise: nil) }
    }

    private func remove(_ channel: any Channel) {
        let drained = state.withLock { state -> EventLoopPromise<Void>? in
            state.channels[ObjectIdentifier(channel)] = nil
            return state.channels.isEmpty ? state.drained.take() : nil
        }
        drained?.succeed()
    }

    /// Tells every connection to end, and closes those that have not after the grace period.
    func shutDown(within grace: TimeAmount, on eventLoop: any EventLoop) -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        let channels = state.withLock { state -> [any Channel] in
            state.isShuttingDown = true
            if state.channels.isEmpty { promise.succeed() } else { state.drained = promise }
            return Array(state.channels.values)
        }
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(ShutdownEvent()) }
        let deadline = eventLoop.scheduleTask(in: grace) { [self] in
            for channel in state.withLock({ Array($0.channels.values) }) { channel.close(promise: nil) }
        }
        promise.futureResult.whenComplete { _ in deadline.cancel() }
        return promise.futureResult
    }
}
