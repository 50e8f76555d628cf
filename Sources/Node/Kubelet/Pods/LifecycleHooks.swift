/// Runs postStart and preStop hooks.
struct LifecycleHooks: Sendable {
    var services: PodServices
    /// The pod's address, for HTTP hooks that name no host.
    var address: String

    /// - Parameter timeout: nil: as long as it takes.
    /// - Returns: what went wrong; nil if nothing did.
    func run(_ hook: PodManifest.Hook, container: String, timeout: Duration?) async -> String? {
        switch hook {
        case .sleep(let duration):
            // Cancellation ends the hook early, with the agent.
            try? await services.clock.sleep(for: timeout.map { min($0, duration) } ?? duration)
            return nil
        case .exec(let command):
            do {
                let result = try await ExecCapture.run(command, in: container, services.runtime, timeout: timeout)
                return result.exitCode == 0 ? nil : "command exited with \(result.exitCode): \(result.output)"
            } catch {
                return "\(error)"
            }
        case .http(let scheme, let host, let port, let path, let headers):
            let outcome = await services.http.run(
                scheme: scheme, host: host ?? address, port: port, path: path, headers: headers, timeout: timeout ?? .seconds(30))
            switch outcome {
            case .success: return nil
            case .failure(let output): return output
            case .error(let message): return message
            }
        }
    }
}
