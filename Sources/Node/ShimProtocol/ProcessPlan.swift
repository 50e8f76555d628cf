public import LinuxSystem

/// The process of a container, or one executed in it later.
public struct ProcessPlan: WireMessage {
    /// argv; the first is looked up along PATH of ``environment`` if it has no slash.
    public var arguments: [String] = []
    /// `NAME=value`.
    public var environment: [String] = []
    /// Absolute path in the container; made if missing (containers, not exec). Empty: `/`.
    public var workingDirectory = ""
    public var umask: UInt32 = 0o022
    public var uid: UInt32 = 0
    public var gid: UInt32 = 0
    /// Supplementary groups, exactly these.
    public var groups: [UInt32] = []
    public var capabilities = CapabilitySets()
    public var noNewPrivileges = false
    /// Compiled BPF (struct sock_filter array, host byte order); empty: unconfined.
    public var seccomp: [UInt8] = []
    public var limits: [ResourceLimit] = []
    /// Nil leaves the shim's. Lowering it needs CAP_SYS_RESOURCE: without, the container runs and ``ShimEvent`` has one note.
    public var oomScoreAdjustment: Int32?
    /// A terminal from the container's own devpts for stdin, stdout and stderr.
    public var terminal = false
    public var columns: UInt16 = 0
    public var rows: UInt16 = 0
    /// Keep stdin open for attach (containers). Otherwise it is `/dev/null`.
    public var stdin = false
    /// Close stdin when the first attached client leaves.
    public var stdinOnce = false

    public init() {}

    public func encode(into writer: inout WireWriter) {
        writer.put(1, arguments)
        writer.put(2, environment)
        writer.put(3, workingDirectory)
        writer.put(4, umask)
        writer.put(5, uid)
        writer.put(6, gid)
        writer.put(7, groups)
        writer.put(8, capabilities.bounding)
        writer.put(9, capabilities.effective)
        writer.put(10, capabilities.permitted)
        writer.put(11, capabilities.inheritable)
        writer.put(12, capabilities.ambient)
        writer.put(13, noNewPrivileges)
        writer.put(14, seccomp)
        writer.put(15, limits)
        // Offset by 1001, so that 0 and nil differ: the range of oom_score_adj is -1000...1000.
        writer.put(16, oomScoreAdjustment.map { $0 &+ 1001 } ?? 0)
        writer.put(17, terminal)
        writer.put(18, columns)
        writer.put(19, rows)
        writer.put(20, stdin)
        writer.put(21, stdinOnce)
        if umask == 0 { writer.put(22, true) }
    }

    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: arguments.append(field.string())
        case 2: environment.append(field.string())
        case 3: workingDirectory = field.string()
        case 4: umask = try field.uint32()
        case 5: uid = try field.uint32()
        case 6: gid = try field.uint32()
        case 7: groups.append(try field.uint32())
        case 8: capabilities.bounding = try field.uint64()
        case 9: capabilities.effective = try field.uint64()
        case 10: capabilities.permitted = try field.uint64()
        case 11: capabilities.inheritable = try field.uint64()
        case 12: capabilities.ambient = try field.uint64()
        case 13: noNewPrivileges = try field.bool()
        case 14: seccomp = field.array()
        case 15: limits.append(try field.message())
        case 16: oomScoreAdjustment = try field.int32() &- 1001
        case 17: terminal = try field.bool()
        case 18: columns = try field.uint16()
        case 19: rows = try field.uint16()
        case 20: stdin = try field.bool()
        case 21: stdinOnce = try field.bool()
        case 22: if try field.bool() { umask = 0 }
        default: break
        }
    }
}

/// One rlimit.
public struct ResourceLimit: WireMessage {
    /// The kernel's RLIMIT_* number (7 is NOFILE).
    public var resource: UInt32 = 0
    public var soft: UInt64 = 0
    public var hard: UInt64 = 0
    public init() {}
    public init(resource: UInt32, soft: UInt64, hard: UInt64) { (self.resource, self.soft, self.hard) = (resource, soft, hard) }

    public func encode(into writer: inout WireWriter) {
        writer.put(1, resource)
        writer.put(2, soft)
        writer.put(3, hard)
    }
    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: resource = try field.uint32()
        case 2: soft = try field.uint64()
        case 3: hard = try field.uint64()
        default: break
        }
    }
}

/// A command to run in a running container.
public struct ExecPlan: WireMessage {
    /// The container.
    public var container = ""
    /// Chosen by the agent; unique among the running execs of this shim.
    public var id: UInt64 = 0
    /// `stdin` and `stdinOnce` mean nothing here: without a terminal the command carries three descriptors.
    public var process = ProcessPlan()
    /// Nanoseconds until it is killed; 0: no limit.
    public var timeout: UInt64 = 0
    /// Kill it when the agent's connection ends (probes).
    public var killOnDisconnect = false

    public init() {}

    public func encode(into writer: inout WireWriter) {
        writer.put(1, container)
        writer.put(2, id)
        writer.put(3, process)
        writer.put(4, timeout)
        writer.put(5, killOnDisconnect)
    }
    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: container = field.string()
        case 2: id = try field.uint64()
        case 3: process = try field.message()
        case 4: timeout = try field.uint64()
        case 5: killOnDisconnect = try field.bool()
        default: break
        }
    }
}
