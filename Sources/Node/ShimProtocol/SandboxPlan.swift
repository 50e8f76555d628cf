/// What a shim makes before any container: the pod's namespaces. Stands in `sandbox.plan` in the pod's directory.
public struct SandboxPlan: WireMessage {
    /// The sandbox's id, for messages.
    public var id = ""
    /// Make a network namespace, pinned at `ns/net`; false: the host's.
    public var newNetwork = false
    /// Make an IPC namespace, pinned at `ns/ipc`.
    public var newIPC = false
    /// Make a UTS namespace, pinned at `ns/uts`; ``hostname`` and ``domainname`` are set in it.
    public var newUTS = false
    /// One PID namespace for all containers (`shareProcessNamespace`), with a minimal init run by the shim.
    public var sharedPID = false
    /// Non-empty: a user namespace, pinned at `ns/user`, that owns all of the others.
    public var uidMap: [IDMapping] = []
    public var gidMap: [IDMapping] = []
    /// Namespaces of somebody else to join instead of making them (a path to an nsfs file); empty: none.
    public var joinNetwork = ""
    public var joinIPC = ""
    public var joinUTS = ""
    public var hostname = ""
    public var domainname = ""
    /// Namespaced sysctls (`net.ipv4.ip_unprivileged_port_start`), set inside the new namespaces.
    public var sysctls: [KeyValue] = []
    /// Bytes of the pod's `/dev/shm`, one tmpfs for all containers (``MountPlan/Kind/sharedMemory``); 0: none is made.
    public var sharedMemorySize: UInt64 = 0
    /// Cgroup directories that the shim itself joins: outside the pod's limits.
    public var shimCgroups: [String] = []
    /// The v2 one of ``shimCgroups``, which the shim is cloned into; empty: all are joined.
    public var shimBirthCgroup = ""
    /// Cgroup directories for the minimal init of ``sharedPID``.
    public var initCgroups: [String] = []
    /// The v2 one of ``initCgroups``, likewise.
    public var initBirthCgroup = ""
    /// oom_score_adj of the shim; 0 leaves what it inherits.
    public var shimOOMScoreAdjustment: Int32 = 0

    public init() {}

    public var usesUserNamespace: Bool { !uidMap.isEmpty }

    public func encode(into writer: inout WireWriter) {
        writer.put(1, id)
        writer.put(2, newNetwork)
        writer.put(3, newIPC)
        writer.put(4, newUTS)
        writer.put(5, sharedPID)
        writer.put(6, uidMap)
        writer.put(7, gidMap)
        writer.put(8, joinNetwork)
        writer.put(9, joinIPC)
        writer.put(10, joinUTS)
        writer.put(11, hostname)
        writer.put(12, domainname)
        writer.put(13, sysctls)
        writer.put(14, sharedMemorySize)
        writer.put(15, shimCgroups)
        writer.put(16, initCgroups)
        writer.put(17, shimOOMScoreAdjustment)
        writer.put(18, shimBirthCgroup)
        writer.put(19, initBirthCgroup)
    }

    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: id = field.string()
        case 2: newNetwork = try field.bool()
        case 3: newIPC = try field.bool()
        case 4: newUTS = try field.bool()
        case 5: sharedPID = try field.bool()
        case 6: uidMap.append(try field.message())
        case 7: gidMap.append(try field.message())
        case 8: joinNetwork = field.string()
        case 9: joinIPC = field.string()
        case 10: joinUTS = field.string()
        case 11: hostname = field.string()
        case 12: domainname = field.string()
        case 13: sysctls.append(try field.message())
        case 14: sharedMemorySize = try field.uint64()
        case 15: shimCgroups.append(field.string())
        case 16: initCgroups.append(field.string())
        case 17: shimOOMScoreAdjustment = try field.int32()
        case 18: shimBirthCgroup = field.string()
        case 19: initBirthCgroup = field.string()
        default: break
        }
    }
}

/// A range of ids of a user namespace: `container` and the following `count` are `host` and the following outside.
public struct IDMapping: WireMessage {
    public var container: UInt32 = 0
    public var host: UInt32 = 0
    public var count: UInt32 = 0
    public init() {}
    public init(container: UInt32, host: UInt32, count: UInt32) { (self.container, self.host, self.count) = (container, host, count) }

    public func encode(into writer: inout WireWriter) {
        writer.put(1, container)
        writer.put(2, host)
        writer.put(3, count)
    }
    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: container = try field.uint32()
        case 2: host = try field.uint32()
        case 3: count = try field.uint32()
        default: break
        }
    }
}

/// A named value: a sysctl, a mount option (a flag where the value is empty).
public struct KeyValue: WireMessage {
    public var key = ""
    public var value = ""
    public init() {}
    public init(_ key: String, _ value: String = "") { (self.key, self.value) = (key, value) }

    public func encode(into writer: inout WireWriter) {
        writer.put(1, key)
        writer.put(2, value)
    }
    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: key = field.string()
        case 2: value = field.string()
        default: break
        }
    }
}
