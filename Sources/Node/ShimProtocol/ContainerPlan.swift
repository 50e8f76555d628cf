/// Everything a shim needs to make and run one container: the OCI runtime spec resolved. Nothing is looked up after the
/// fork, but the program along PATH with the container's credentials.
public struct ContainerPlan: WireMessage {
    public enum PIDNamespace: UInt32, Sendable { case own = 0, pod = 1, host = 2 }

    public var id = ""
    public var root = RootPlan()
    /// In order; each target is resolved inside the root.
    public var mounts: [MountPlan] = []
    /// Nodes in the container's `/dev` (made, or bound from the host in a user namespace).
    public var devices: [DevicePlan] = []
    /// Files are covered by `/dev/null`, directories by an empty read-only tmpfs. Missing ones are skipped.
    public var maskedPaths: [String] = []
    public var readOnlyPaths: [String] = []
    public var process = ProcessPlan()
    public var pidNamespace = PIDNamespace.own
    /// A cgroup namespace, made after joining ``cgroups``.
    public var newCgroupNamespace = false
    /// Cgroup directories to join before anything else: one on v2, one for each hierarchy on v1.
    public var cgroups: [String] = []
    /// The v2 one of ``cgroups``: its processes are cloned into it, since moving there waits for a grace period of the kernel.
    /// Empty: all are joined.
    public var birthCgroup = ""
    /// `memory.events` (v2) or `memory.oom_control` (v1) of the container's cgroup; read when it exits. Empty: none.
    public var oomEventsPath = ""
    public var log = LogPlan()

    public init() {}

    public func encode(into writer: inout WireWriter) {
        writer.put(1, id)
        writer.put(2, root)
        writer.put(3, mounts)
        writer.put(4, devices)
        writer.put(5, maskedPaths)
        writer.put(6, readOnlyPaths)
        writer.put(7, process)
        writer.put(8, pidNamespace)
        writer.put(9, newCgroupNamespace)
        writer.put(10, cgroups)
        writer.put(11, oomEventsPath)
        writer.put(12, log)
        writer.put(13, birthCgroup)
    }

    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: id = field.string()
        case 2: root = try field.message()
        case 3: mounts.append(try field.message())
        case 4: devices.append(try field.message())
        case 5: maskedPaths.append(field.string())
        case 6: readOnlyPaths.append(field.string())
        case 7: process = try field.message()
        case 8: pidNamespace = try field.choice()
        case 9: newCgroupNamespace = try field.bool()
        case 10: cgroups.append(field.string())
        case 11: oomEventsPath = field.string()
        case 12: log = try field.message()
        case 13: birthCgroup = field.string()
        default: break
        }
    }
}

/// The root file system.
public struct RootPlan: WireMessage {
    /// Lower directories of an overlay, topmost first: names below ``layersDirectory``, or absolute paths on the host if that
    /// is empty. Empty: ``directory`` is bound instead.
    public var lower: [String] = []
    /// Absolute path on the host. It keeps the names short: all options of one mount(2) must fit in a page.
    public var layersDirectory = ""
    /// Directory that holds the overlay's `upper` and `work` directories (made if missing). Empty: a read-only overlay,
    /// which needs two lower directories.
    public var writable = ""
    /// The overlay need not survive a power cut: without it, the kernel writes the whole file system below to disk whenever a
    /// container ends, and lets the container's fsync wait. Each mount makes the `work` directory anew.
    public var isVolatile = false
    /// A plain directory as the root.
    public var directory = ""
    public var readOnly = false
    public init() {}
    public init(layersDirectory: String = "", lower: [String], writable: String, isVolatile: Bool = false, readOnly: Bool = false) {
        (self.layersDirectory, self.lower, self.writable, self.isVolatile, self.readOnly) = (layersDirectory, lower, writable, isVolatile, readOnly)
    }
    public init(directory: String, readOnly: Bool = false) { (self.directory, self.readOnly) = (directory, readOnly) }

    public func encode(into writer: inout WireWriter) {
        writer.put(1, lower)
        writer.put(2, writable)
        writer.put(3, directory)
        writer.put(4, readOnly)
        writer.put(5, layersDirectory)
        writer.put(6, isVolatile)
    }

    /// The same root in words that a running shim knows: before version 2 there was no ``layersDirectory``.
    public func understood(byVersion version: UInt32) -> RootPlan {
        guard version < 2, !layersDirectory.isEmpty else { return self }
        var plan = self
        (plan.layersDirectory, plan.lower) = ("", lower.map { "\(layersDirectory)/\($0)" })
        return plan
    }

    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: lower.append(field.string())
        case 2: writable = field.string()
        case 3: directory = field.string()
        case 4: readOnly = try field.bool()
        case 5: layersDirectory = field.string()
        case 6: isVolatile = try field.bool()
        default: break
        }
    }
}

/// One mount of a container.
public struct MountPlan: WireMessage {
    public enum Kind: UInt32, Sendable {
        /// ``source``, or the descriptor ``descriptor`` of the create command.
        case bind = 0
        case proc = 1
        case sysfs = 2
        case tmpfs = 3
        /// A devpts instance of its own, with `/dev/ptmx` leading to it.
        case devpts = 4
        case mqueue = 5
        /// cgroup v2, rooted at the container's cgroup by its cgroup namespace. (On v1: a tmpfs and binds.)
        case cgroup2 = 6
        /// The pod's `/dev/shm`.
        case sharedMemory = 7
    }
    public enum Propagation: UInt32, Sendable { case `private` = 0, hostToContainer = 1, bidirectional = 2 }

    public var kind = Kind.bind
    /// Absolute path on the host (bind).
    public var source = ""
    /// Index + 1 into the descriptors sent with the create command (a subPath resolved once, O_PATH); 0: ``source``.
    public var descriptor: UInt32 = 0
    /// Absolute path in the container; made if missing.
    public var target = ""
    public var readOnly = false
    public var noSetUID = false
    public var noDevices = false
    public var noExecute = false
    /// Bind what is mounted below the source too (rbind).
    public var recursive = false
    /// ``readOnly`` holds for what is mounted below too.
    public var recursiveReadOnly = false
    public var propagation = Propagation.private
    /// Map the owners through the pod's user namespace.
    public var idMapped = false
    /// Options of the file system (`size`, `mode`), a flag where the value is empty.
    public var options: [KeyValue] = []

    public init() {}
    public init(_ kind: Kind, target: String, source: String = "", readOnly: Bool = false, options: [KeyValue] = []) {
        (self.kind, self.target, self.source, self.readOnly, self.options) = (kind, target, source, readOnly, options)
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(1, kind)
        writer.put(2, source)
        writer.put(3, descriptor)
        writer.put(4, target)
        writer.put(5, readOnly)
        writer.put(6, noSetUID)
        writer.put(7, noDevices)
        writer.put(8, noExecute)
        writer.put(9, recursive)
        writer.put(10, recursiveReadOnly)
        writer.put(11, propagation)
        writer.put(12, idMapped)
        writer.put(13, options)
    }
    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: kind = try field.choice()
        case 2: source = field.string()
        case 3: descriptor = try field.uint32()
        case 4: target = field.string()
        case 5: readOnly = try field.bool()
        case 6: noSetUID = try field.bool()
        case 7: noDevices = try field.bool()
        case 8: noExecute = try field.bool()
        case 9: recursive = try field.bool()
        case 10: recursiveReadOnly = try field.bool()
        case 11: propagation = try field.choice()
        case 12: idMapped = try field.bool()
        case 13: options.append(try field.message())
        default: break
        }
    }
}

/// A device node.
public struct DevicePlan: WireMessage {
    public enum Kind: UInt32, Sendable { case character = 0, block = 1 }
    /// Absolute path in the container.
    public var path = ""
    public var kind = Kind.character
    public var major: UInt32 = 0
    public var minor: UInt32 = 0
    /// Permission bits.
    public var mode: UInt32 = 0
    public var uid: UInt32 = 0
    public var gid: UInt32 = 0
    public init() {}
    public init(_ path: String, _ major: UInt32, _ minor: UInt32, mode: UInt32 = 0o666, kind: Kind = .character) {
        (self.path, self.major, self.minor, self.mode, self.kind) = (path, major, minor, mode, kind)
    }

    /// The nodes that every container has (OCI runtime spec, config-linux, default devices).
    public static var standard: [DevicePlan] {
        [DevicePlan("/dev/null", 1, 3), DevicePlan("/dev/zero", 1, 5), DevicePlan("/dev/full", 1, 7),
         DevicePlan("/dev/random", 1, 8), DevicePlan("/dev/urandom", 1, 9), DevicePlan("/dev/tty", 5, 0)]
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(1, path)
        writer.put(2, kind)
        writer.put(3, major)
        writer.put(4, minor)
        writer.put(5, mode)
        writer.put(6, uid)
        writer.put(7, gid)
    }
    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: path = field.string()
        case 2: kind = try field.choice()
        case 3: major = try field.uint32()
        case 4: minor = try field.uint32()
        case 5: mode = try field.uint32()
        case 6: uid = try field.uint32()
        case 7: gid = try field.uint32()
        default: break
        }
    }
}

/// Where a container's output goes.
public struct LogPlan: WireMessage {
    /// CRI-format log file; its directory exists. Empty: output is discarded.
    public var path = ""
    /// Bytes after which the file is set aside as `<path>.<UTC time>`; 0: never.
    public var maximumSize: UInt64 = 0
    /// Files kept, the current one included; at least 1.
    public var maximumFiles: UInt32 = 0
    public init() {}
    public init(path: String, maximumSize: UInt64 = 10 << 20, maximumFiles: UInt32 = 5) {
        (self.path, self.maximumSize, self.maximumFiles) = (path, maximumSize, maximumFiles)
    }

    public func encode(into writer: inout WireWriter) {
        writer.put(1, path)
        writer.put(2, maximumSize)
        writer.put(3, maximumFiles)
    }
    public mutating func decode(_ field: WireField) throws(WireError) {
        switch field.tag {
        case 1: path = field.string()
        case 2: maximumSize = try field.uint64()
        case 3: maximumFiles = try field.uint32()
        default: break
        }
    }
}
