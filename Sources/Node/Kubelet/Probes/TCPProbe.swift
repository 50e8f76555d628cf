import Glibc
import NIOCore
import NIOPosix

/// A TCP connection: healthy when it opens in time.
enum TCPProbe {
    static func run(host: String, port: Int, timeout: Duration) async -> ProbeOutcome {
        let target = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        do {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(TimeAmount(timeout))
                .connect(host: host, port: port).get()
            // The connection has served its purpose; an error while closing it says nothing of the container.
            try? await channel.close().get()
            return .success
        } catch {
            return .failure(output: "dial tcp \(target): \(ConnectionFailure.describe(error))")
        }
    }
}

/// Connection errors in the words that users of Kubernetes search for.
enum ConnectionFailure {
    static func describe(_ error: any Error) -> String {
        if let failure = error as? NIOConnectionError, let first = failure.connectionErrors.first { return describe(first.error) }
        if error is ChannelError { return "i/o timeout" }
        guard let failure = error as? IOError else { return "\(error)" }
        let name = String(cString: strerror(failure.errnoCode))
        return "connect: " + name.prefix(1).lowercased() + name.dropFirst()
    }
}
