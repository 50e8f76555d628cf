import Glibc
internal import Runtime

/// Runs a command in a container and keeps the beginning of what it says.
struct ExecCapture: Sendable {
    var output: String
    var exitCode: Int32

    /// - Parameters:
    ///   - timeout: kept by the shim, which kills the command when it is over.
    ///   - limit: bytes of output to keep; the rest is read and dropped, so that the command never blocks.
    static func run(_ command: [String], in container: String, _ runtime: any ContainerRuntime, timeout: Duration?, limit: Int = 10 << 10) async throws -> ExecCapture {
        let session = try await runtime.exec(in: container, ExecRequest(command: command, timeout: timeout))
        defer {
            for descriptor in Set([session.input, session.output, session.errorOutput].compactMap { $0 }) { close(descriptor) }
        }
        return try await withTaskCancellationHandler {
            async let output = collect(session.output, limit: limit)
            async let errors = session.errorOutput.map { ($0, limit) }.asyncFlatMap { try await collect($0.0, limit: $0.1) }
            let code = try await session.wait()
            let text = try await output + (errors ?? [])
            return ExecCapture(output: String(decoding: text.prefix(limit), as: UTF8.self), exitCode: code)
        } onCancel: {
            // The caller has gone; the process must go as well, and its end ends the reads above.
            Task { await session.kill() }
        }
    }

    private static func collect(_ descriptor: Int32, limit: Int) async throws -> [UInt8] {
        let io = DescriptorIO(descriptor, .read)
        var kept: [UInt8] = []
        while let bytes = try await io.read() { kept += bytes.prefix(max(0, limit - kept.count)) }
        return kept
    }
}

extension Optional where Wrapped: Sendable {
    func asyncFlatMap<Value: Sendable>(_ body: @Sendable (Wrapped) async throws -> Value) async rethrows -> Value? {
        guard let self else { return nil }
        return try await body(self)
    }
}
