/// The shim's first frame on every connection.
public struct ShimHello: WireMessage {
    /// ``shimProtocolVersion`` of the running shim, which may be older than the agent.
    public var version: UInt32 = 0
    public var sandbox = ""
    public var pid: Int32 = 0
    /// Of the minimal init when the pod shares one PID namespace; else 0.
    public var initPID: Int32 = 0
    /// Sequence number of the newest event; 0: none yet.
    public var lastEvent: UInt64 = 0
    public init() {}

    public func encode(into writer: inout WireWriter) {
        writer.put(1, version)
        writer.put(2, sandbox)
        writer.put(3, pid)
        writer.put(4, initPID)
        writer.put(5, lastEvent)
    }
    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: version = try field.uint32()
        case 2: sandbox = field.string()
        case 3: pid = try field.int32()
        case 4: initPID = try field.int32()
        case 5: lastEvent = try field.uint64()
        default: break
        }
    }
}

/// Something that happened in the pod.
public struct ShimEvent: WireMessage {
    public enum Kind: UInt32, Sendable {
        /// From a newer shim.
        case unknown = 0
        case containerStarted = 1
        /// With ``exit``.
        case containerExited = 2
        /// With ``exec`` and ``exit``; on the connection that asked for it alone, never kept.
        case execExited = 3
        /// A limitation that the user should know, in ``message``.
        case note = 4
        /// The minimal init of a shared PID namespace has died: so have all containers.
        case initExited = 5
    }

    /// Rises by one; 0 for ``Kind/execExited``. Kept until acknowledged (the newest 1024).
    public var sequence: UInt64 = 0
    public var kind = Kind.unknown
    public var container = ""
    public var exec: UInt64 = 0
    public var pid: Int32 = 0
    /// Nanoseconds since 1970.
    public var time: Int64 = 0
    public var exit: ExitRecord?
    public var message = ""
    public init() {}
    public init(_ kind: Kind, container: String = "", exec: UInt64 = 0, pid: Int32 = 0, time: Int64, exit: ExitRecord? = nil, message: String = "") {
        (self.kind, self.container, self.exec, self.pid, self.time, self.exit, self.message) = (kind, container, exec, pid, time, exit, message)
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(1, sequence)
        writer.put(2, kind)
        writer.put(3, container)
        writer.put(4, exec)
        writer.put(5, pid)
        writer.put(6, time)
        writer.put(7, exit)
        writer.put(8, message)
    }
    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: sequence = try field.uint64()
        case 2: kind = Kind(rawValue: try field.uint32()) ?? .unknown
        case 3: container = field.string()
        case 4: exec = try field.uint64()
        case 5: pid = try field.int32()
        case 6: time = try field.int64()
        case 7: exit = try field.message()
        case 8: message = field.string()
        default: break
        }
    }
}

/// How a container or an exec ended. Written to `<container id>.exit` in the pod's directory before the event is sent.
public struct ExitRecord: WireMessage {
    public static let currentVersion: UInt32 = 1
    public var version = ExitRecord.currentVersion
    public var container = ""
    /// 128 + signal when a signal ended it.
    public var code: Int32 = 0
    public var signal: Int32?
    /// The kernel killed a process of its cgroup for lack of memory.
    public var outOfMemory = false
    /// Nanoseconds since 1970; 0: it never started.
    public var startedAt: Int64 = 0
    public var finishedAt: Int64 = 0
    /// An exec that ran into its timeout.
    public var timedOut = false
    /// Log lines lost to a full disk.
    public var droppedLines: UInt64 = 0
    /// Why it never executed; nil if it did.
    public var failure: ShimFailure?
    public init() {}

    /// The file's name in the pod's directory.
    public static func fileName(container: String) -> String { "\(container).exit" }

    public func encode(into writer: inout WireWriter) {
        writer.put(1, version)
        writer.put(2, container)
        writer.put(3, code)
        writer.put(4, signal ?? 0)
        writer.put(5, outOfMemory)
        writer.put(6, startedAt)
        writer.put(7, finishedAt)
        writer.put(8, timedOut)
        writer.put(9, droppedLines)
        writer.put(10, failure)
    }
    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: version = try field.uint32()
        case 2: container = field.string()
        case 3: code = try field.int32()
        case 4: signal = try field.int32()
        case 5: outOfMemory = try field.bool()
        case 6: startedAt = try field.int64()
        case 7: finishedAt = try field.int64()
        case 8: timedOut = try field.bool()
        case 9: droppedLines = try field.uint64()
        case 10: failure = try field.message()
        default: break
        }
    }
}

/// A container as its shim knows it.
public struct ShimContainer: WireMessage {
    public enum State: UInt32, Sendable {
        /// From a newer shim.
        case unknown = 0
        case creating = 1, created = 2, running = 3, exited = 4
        /// On its way to execve without waiting for anybody: an event will tell.
        case starting = 5
    }
    public var id = ""
    public var state = State.unknown
    public var pid: Int32 = 0
    /// Nanoseconds since 1970.
    public var startedAt: Int64 = 0
    public var exit: ExitRecord?
    public init() {}
    public init(id: String, state: State, pid: Int32, startedAt: Int64, exit: ExitRecord?) {
        (self.id, self.state, self.pid, self.startedAt, self.exit) = (id, state, pid, startedAt, exit)
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(1, id)
        writer.put(2, state)
        writer.put(3, pid)
        writer.put(4, startedAt)
        writer.put(5, exit)
    }
    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: id = field.string()
        case 2: state = State(rawValue: try field.uint32()) ?? .unknown
        case 3: pid = try field.int32()
        case 4: startedAt = try field.int64()
        case 5: exit = try field.message()
        default: break
        }
    }
}
