public import KubeClient

/// How the server is reached while a node joins.
public protocol JoinConnections: Sendable {
    /// Runs with a connection to a server whose certificate nobody has looked at: what comes over it has to prove itself.
    func unverified<Result: Sendable>(server: String, _ body: @Sendable (KubeClient) async throws -> Result) async throws -> Result
    /// Runs with a connection to a server that the authority vouches for.
    func verified<Result: Sendable>(_ kubeconfig: Kubeconfig, _ body: @Sendable (KubeClient) async throws -> Result) async throws -> Result
}

/// Over the network.
public struct NetworkConnections: JoinConnections {
    public init() {}

    public func unverified<Result: Sendable>(server: String, _ body: @Sendable (KubeClient) async throws -> Result) async throws -> Result {
        try await run(NetworkTransport(unverifiedServer: server), body)
    }

    public func verified<Result: Sendable>(_ kubeconfig: Kubeconfig, _ body: @Sendable (KubeClient) async throws -> Result) async throws -> Result {
        try await run(NetworkTransport(kubeconfig: kubeconfig), body)
    }

    private func run<Result: Sendable>(_ transport: NetworkTransport, _ body: @Sendable (KubeClient) async throws -> Result) async throws -> Result {
        let result: Swift.Result<Result, any Error>
        do { result = .success(try await body(KubeClient(transport: transport))) } catch { result = .failure(error) }
        try await transport.shutdown()
        return try result.get()
    }
}
