public import LinuxSystem

/// The protocol's version, stated by the shim in its ``ShimHello``. It grows when an operation or a meaning is added;
/// fields alone do not need it, unless an older shim without them would do the wrong thing.
///
/// 2: ``RootPlan/layersDirectory``, ``ShimRequest/run(_:)``, ``ShimReply/startedAt``.
public let shimProtocolVersion: UInt32 = 2

/// A frame on the shim's socket: length of the payload (UInt32, little-endian), kind, number of descriptors that travel
/// with its first byte, two bytes of zero, payload.
public struct Frame: Sendable {
    public enum Kind: UInt8, Sendable { case command = 1, reply = 2, event = 3, hello = 4 }

    /// Unknown kinds are skipped by the receiver, their descriptors closed.
    public var kind: UInt8
    public var payload: [UInt8]
    public var descriptors: [FileDescriptor]

    public init(_ kind: Kind, _ message: some WireMessage, descriptors: [FileDescriptor] = []) {
        (self.kind, self.payload, self.descriptors) = (kind.rawValue, message.bytes, descriptors)
    }

    init(kind: UInt8, payload: [UInt8], descriptors: [FileDescriptor]) {
        (self.kind, self.payload, self.descriptors) = (kind, payload, descriptors)
    }

    public static let headerSize = 8
    /// A payload above this is refused: no peer can make the other allocate without bound.
    public static let maximumPayload = 4 << 20
    public static let maximumDescriptors = 16

    /// Header and payload.
    public var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(Frame.headerSize + payload.count)
        for shift in 0..<4 { result.append(UInt8(truncatingIfNeeded: payload.count >> (8 * shift))) }
        result += [kind, UInt8(truncatingIfNeeded: descriptors.count), 0, 0]
        result += payload
        return result
    }
}

/// Bytes and descriptors on their way in, cut into frames.
public struct FrameReader: Sendable {
    private var buffer: [UInt8] = []
    private var descriptors: [FileDescriptor] = []

    public init() {}

    /// Takes over what one receive call brought.
    public mutating func append(_ bytes: UnsafeRawBufferPointer, descriptors new: [FileDescriptor]) throws(WireError) {
        buffer.append(contentsOf: bytes)
        descriptors += new
        guard descriptors.count <= 4 * Frame.maximumDescriptors else {
            throw WireError(.wrongDescriptors, "expected at most \(4 * Frame.maximumDescriptors) waiting descriptors, found \(descriptors.count)")
        }
    }

    /// The next complete frame, or nil until more has arrived. After an error the connection is of no more use.
    public mutating func next() throws(WireError) -> Frame? {
        guard buffer.count >= Frame.headerSize else { return nil }
        let length = (0..<4).reduce(0) { $0 | Int(buffer[$1]) << (8 * $1) }
        let count = Int(buffer[5])
        guard length <= Frame.maximumPayload else { throw WireError(.tooLarge, "expected a frame of at most \(Frame.maximumPayload) bytes, found \(length)") }
        guard buffer.count >= Frame.headerSize + length else { return nil }
        guard count <= descriptors.count else { throw WireError(.wrongDescriptors, "expected \(count) descriptors with a frame, found \(descriptors.count)") }
        let frame = Frame(kind: buffer[4], payload: Array(buffer[Frame.headerSize ..< Frame.headerSize + length]), descriptors: Array(descriptors.prefix(count)))
        buffer.removeFirst(Frame.headerSize + length)
        descriptors.removeFirst(count)
        // One big plan must not stay in memory as long as the connection.
        if buffer.isEmpty, buffer.capacity > 8192 { buffer = [] }
        return frame
    }
}

/// Frames on their way out of a non-blocking socket.
public struct FrameWriter: Sendable {
    private var queue: [(bytes: [UInt8], offset: Int, descriptors: [FileDescriptor])] = []
    /// Bytes that wait for the peer to read.
    public private(set) var pending = 0

    public init() {}
    public var isEmpty: Bool { queue.isEmpty }

    public mutating func enqueue(_ frame: Frame) {
        let bytes = frame.bytes
        pending += bytes.count
        queue.append((bytes, 0, frame.descriptors))
    }

    /// Sends until the queue is empty or the socket is full.
    public mutating func flush(to socket: FileDescriptor) throws(SystemError) {
        while let first = queue.first {
            // Descriptors travel with the frame's first byte, once.
            let descriptors = first.offset == 0 ? first.descriptors.map(\.raw) : []
            let result = first.bytes.withUnsafeBytes { bytes -> Result<Int?, SystemError> in
                do throws(SystemError) {
                    return .success(try socket.send(UnsafeRawBufferPointer(rebasing: bytes[first.offset...]), descriptors: descriptors))
                } catch { return .failure(error) }
            }
            guard let sent = try result.get() else { return }
            pending -= sent
            if first.offset + sent == first.bytes.count { queue.removeFirst() } else { queue[0].offset += sent }
        }
    }
}
