internal import KubeHTTP

/// The client of a command or a container: bytes between its connection and descriptors.
struct RemoteClient: Sendable {
    var remote: RemoteCommandConnection

    /// Sends what comes out of a descriptor, until its end. What nobody asked for (`nil`) is read all the same, so that the
    /// writer never blocks.
    /// - Returns: nil always; for groups whose tasks have results.
    @discardableResult
    func send(_ descriptor: Int32, to output: RemoteCommandConnection.Output?) async throws -> Int32? {
        let io = DescriptorIO(descriptor, .read)
        while let bytes = try await io.read() { if let output { try await remote.write(bytes, to: output) } }
        return nil
    }

    /// Writes what the client sends to a descriptor, until the client has gone.
    /// - Parameters:
    ///   - input: closed when the client's input ends.
    ///   - descriptor: the number behind `input`; nil if nobody takes input.
    func receive(
        into input: InputDescriptor, _ descriptor: Int32?, resize: (_ columns: UInt16, _ rows: UInt16) async throws -> Void
    ) async throws -> RemoteCommandOutcome? {
        var io = descriptor.map { DescriptorIO($0, .write) }
        while let message = try await remote.receive() {
            switch message {
            case .standardInput(let bytes):
                // A command that has closed its input still runs on.
                do { try await io?.write(bytes) } catch is KubeletError {}
            case .endOfStandardInput:
                // What a client sends after that must not reach whatever gets the same number.
                io = nil
                input.close()
            case .resize(let size): try await resize(size.width, size.height)
            }
        }
        // The client has gone: end of input and, with a terminal, hang-up are what is left of it.
        return .failed(message: "the client closed the connection")
    }
}
