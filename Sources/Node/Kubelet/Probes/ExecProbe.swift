internal import Runtime

/// A command in the container: healthy when it exits with 0 in time.
struct ExecProbe: Sendable {
    var runtime: any ContainerRuntime

    func run(_ command: [String], in container: String, timeout: Duration) async -> ProbeOutcome {
        let start = ContinuousClock.now
        do {
            let result = try await ExecCapture.run(command, in: container, runtime, timeout: timeout)
            // The shim has killed it when its time was over.
            if result.exitCode == 137, ContinuousClock.now - start >= timeout {
                return .failure(output: "command timed out: \"\(command.joined(separator: " "))\" timed out after \(GoDuration.text(seconds: timeout.components.seconds))")
            }
            return result.exitCode == 0 ? .success : .failure(output: result.output)
        } catch {
            return .error("\(error)")
        }
    }
}
