/// What the agent asks of a shim. Every request gets one ``ShimReply``.
public enum ShimRequest: Sendable, Hashable {
    /// Builds the container up to the last step before execution; replies with its pid.
    /// Carries the descriptors that ``MountPlan/descriptor`` counts.
    case create(ContainerPlan)
    /// Executes a created container; replies when the program runs or with the step that failed.
    case start(container: String)
    /// Both at once, without the round trip between them; from protocol version 2 on. Whatever step fails, the container is
    /// there, has exited, and its event says why.
    case run(ContainerPlan)
    /// Signals the container's first process. Success if it has ended already.
    case kill(container: String, signal: Int32)
    /// Forgets an ended (or kills and forgets a created) container, its exit record and events. Idempotent.
    case delete(container: String)
    /// Runs a command; replies with its pid when it has executed, its end is an ``ShimEvent/Kind/execExited`` event on
    /// this connection. Without a terminal it carries stdin, stdout and stderr; with one, the reply carries the master.
    case exec(ExecPlan)
    case killExec(id: UInt64, signal: Int32)
    /// Connects a client. Descriptors, in this order, for each that is true: to read input from, to write output to, to
    /// write error output to. A client that does not read is cut off.
    case attach(container: String, input: Bool, output: Bool, errorOutput: Bool)
    /// Sets the terminal's size. (An exec's terminal is resized by the agent, which has its master.)
    case resize(container: String, columns: UInt16, rows: UInt16)
    /// Opens the log file anew (somebody has renamed it).
    case reopenLog(container: String)
    /// Every container of this shim in the reply's `containers`.
    case status
    /// Sends events after `sequence` again and all new ones: once after connecting.
    case subscribe(after: UInt64)
    /// Events up to here need not be kept.
    case acknowledge(upTo: UInt64)
    /// Kills what still runs, unpins the namespaces, replies and ends.
    case shutdown
}

/// A request on the wire.
public struct ShimCommand: WireMessage {
    /// Chosen by the agent; comes back in the reply.
    public var requestID: UInt32 = 0
    public var operation: UInt32 = 0
    public var container = ""
    public var exec: UInt64 = 0
    public var signal: Int32 = 0
    public var columns: UInt16 = 0
    public var rows: UInt16 = 0
    public var streams: UInt32 = 0
    public var sequence: UInt64 = 0
    public var containerPlan: ContainerPlan?
    public var execPlan: ExecPlan?

    public init() {}

    public init(_ id: UInt32, _ request: ShimRequest) {
        requestID = id
        switch request {
        case .create(let plan): (operation, containerPlan) = (1, plan)
        case .start(let id): (operation, container) = (2, id)
        case .kill(let id, let number): (operation, container, signal) = (3, id, number)
        case .delete(let id): (operation, container) = (4, id)
        case .exec(let plan): (operation, execPlan) = (5, plan)
        case .killExec(let id, let number): (operation, exec, signal) = (6, id, number)
        case .attach(let id, let input, let output, let errors):
            (operation, container, streams) = (7, id, (input ? 1 : 0) | (output ? 2 : 0) | (errors ? 4 : 0))
        case .resize(let id, let c, let r): (operation, container, columns, rows) = (8, id, c, r)
        case .reopenLog(let id): (operation, container) = (9, id)
        case .status: operation = 10
        case .subscribe(let after): (operation, sequence) = (11, after)
        case .acknowledge(let upTo): (operation, sequence) = (12, upTo)
        case .shutdown: operation = 13
        case .run(let plan): (operation, containerPlan) = (14, plan)
        }
    }

    /// Nil for an operation that a newer agent knows.
    public var request: ShimRequest? {
        switch operation {
        case 1: containerPlan.map { .create($0) }
        case 2: .start(container: container)
        case 3: .kill(container: container, signal: signal)
        case 4: .delete(container: container)
        case 5: execPlan.map { .exec($0) }
        case 6: .killExec(id: exec, signal: signal)
        case 7: .attach(container: container, input: streams & 1 != 0, output: streams & 2 != 0, errorOutput: streams & 4 != 0)
        case 8: .resize(container: container, columns: columns, rows: rows)
        case 9: .reopenLog(container: container)
        case 10: .status
        case 11: .subscribe(after: sequence)
        case 12: .acknowledge(upTo: sequence)
        case 13: .shutdown
        case 14: containerPlan.map { .run($0) }
        default: nil
        }
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(1, requestID)
        writer.put(2, operation)
        writer.put(3, container)
        writer.put(4, exec)
        writer.put(5, signal)
        writer.put(6, columns)
        writer.put(7, rows)
        writer.put(8, streams)
        writer.put(9, sequence)
        writer.put(10, containerPlan)
        writer.put(11, execPlan)
    }
    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: requestID = try field.uint32()
        case 2: operation = try field.uint32()
        case 3: container = field.string()
        case 4: exec = try field.uint64()
        case 5: signal = try field.int32()
        case 6: columns = try field.uint16()
        case 7: rows = try field.uint16()
        case 8: streams = try field.uint32()
        case 9: sequence = try field.uint64()
        case 10: containerPlan = try field.message()
        case 11: execPlan = try field.message()
        default: break
        }
    }
}

/// The answer to one request.
public struct ShimReply: WireMessage {
    public var requestID: UInt32 = 0
    /// Nil: it worked.
    public var failure: ShimFailure?
    /// Of the container or the exec, in the host's PID namespace.
    public var pid: Int32 = 0
    public var containers: [ShimContainer] = []
    /// When the container's program was executed, nanoseconds since 1970; 0 from a shim before protocol version 2.
    public var startedAt: Int64 = 0
    public init() {}
    public init(_ id: UInt32, failure: ShimFailure? = nil, pid: Int32 = 0, containers: [ShimContainer] = [], startedAt: Int64 = 0) {
        (requestID, self.failure, self.pid, self.containers, self.startedAt) = (id, failure, pid, containers, startedAt)
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(1, requestID)
        writer.put(2, failure)
        writer.put(3, pid)
        writer.put(4, containers)
        writer.put(5, startedAt)
    }
    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: requestID = try field.uint32()
        case 2: failure = try field.message()
        case 3: pid = try field.int32()
        case 4: containers.append(try field.message())
        case 5: startedAt = try field.int64()
        default: break
        }
    }
}

/// A step that failed.
public struct ShimFailure: WireMessage, Error, CustomStringConvertible {
    /// The step: `execve`, `mount proc`, `not found` (no such container), `state` (not possible now), `unsupported`.
    public var step = ""
    /// 0 where no system call failed.
    public var errno: Int32 = 0
    public var path = ""
    public var message = ""
    public init() {}
    public init(step: String, errno: Int32 = 0, path: String = "", message: String = "") {
        (self.step, self.errno, self.path, self.message) = (step, errno, path, message)
    }

    public var description: String {
        var text = step
        if !path.isEmpty { text += " \(path)" }
        if !message.isEmpty { text += ": \(message)" }
        return text
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(1, step)
        writer.put(2, errno)
        writer.put(3, path)
        writer.put(4, message)
    }
    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: step = field.string()
        case 2: errno = try field.int32()
        case 3: path = field.string()
        case 4: message = field.string()
        default: break
        }
    }
}
