import LinuxSystem
import ShimProtocol

extension Sandbox {
    /// Connects new pipes to a container's streams. The shim keeps its ends; nothing is copied on the way.
    func attach(to container: String, _ request: AttachRequest) async throws(RuntimeError) -> ShimAttachSession {
        let shim = try requireReady()
        guard try self.container(container).record.isRunning else {
            throw RuntimeError(.wrongState, "cannot attach to container \(container): it is not running")
        }
        typealias Pipe = (read: FileDescriptor, write: FileDescriptor)
        let (input, output, errors) = try services.step(.execFailed, "make pipes") {
            (try request.stdin ? Descriptors.pipe() : nil, try request.stdout ? Descriptors.pipe() : nil, try request.stderr ? Descriptors.pipe() : nil)
                as (Pipe?, Pipe?, Pipe?)
        }
        try await shim.attach(to: container, request, descriptors: [input?.read, output?.write, errors?.write].compactMap { $0 })
        // With ours open, the end of the streams would not be seen.
        input?.read.close()
        output?.write.close()
        errors?.write.close()
        return ShimAttachSession(
            container: container, shim: shim, input: input?.write.release(), output: output?.read.release(), errorOutput: errors?.read.release())
    }
}

/// A client's connection to a container that a shim runs.
struct ShimAttachSession: AttachSession {
    let container: String
    let shim: ShimClient
    let input: Int32?
    let output: Int32?
    let errorOutput: Int32?

    func resize(columns: UInt16, rows: UInt16) async throws { try await shim.resize(container, columns: columns, rows: rows) }
}
