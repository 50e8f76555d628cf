import JSONTree

/// `<run-dir>/pods/<sandbox id>/sandbox.json`: its presence says that the sandbox was made completely.
///
///     absent ──runSandbox──▶ ready ──stopSandbox or failure──▶ notReady ──removeSandbox──▶ absent
struct SandboxRecord: Sendable, Hashable {
    /// Raised when an older agent could no longer read the file rightly; fields may be added without it.
    static let version = 1

    var id: String
    var configuration: SandboxConfiguration
    var state: SandboxStatus.State
    var addresses: [String]
    /// Nanoseconds since 1970.
    var createdAt: Int64
    /// First host id of the pod's user namespace; nil: the host's.
    var userNamespaceStart: UInt32?
    /// The last event of the shim whose effect is in the containers' records.
    var acknowledgedEvent: UInt64 = 0
    /// Why it is not ready, if it failed.
    var failure = ""

    var status: SandboxStatus {
        SandboxStatus(id: id, configuration: configuration, state: state, addresses: addresses, createdAt: createdAt)
    }

    var json: JSON {
        var writer = RecordWriter()
        writer.set("version", Self.version)
        writer.set("id", id)
        writer.set("configuration", configuration.stateJSON)
        writer.set("state", state.rawValue)
        writer.set("addresses", addresses)
        writer.set("createdAt", createdAt)
        writer.set("userNamespaceStart", userNamespaceStart)
        writer.set("acknowledgedEvent", Int64(bitPattern: acknowledgedEvent))
        writer.set("failure", failure)
        return writer.json
    }
}

extension SandboxRecord {
    init(json: JSON) throws(RuntimeError) {
        let reader = try RecordReader(json, "sandbox")
        try Self.check(version: try reader.integer("version"), supported: Self.version, "sandbox.json")
        guard let configuration = try reader.object("configuration", SandboxConfiguration.init(state:)) else {
            throw RuntimeError(.wrongState, "sandbox.configuration: expected an object, found nothing")
        }
        self.init(
            id: try reader.string("id"), configuration: configuration, state: try reader.choice("state"), addresses: try reader.strings("addresses"),
            createdAt: try reader.integer("createdAt"), userNamespaceStart: try reader.optionalInteger("userNamespaceStart"),
            acknowledgedEvent: UInt64(bitPattern: try reader.integer("acknowledgedEvent", as: Int64.self)), failure: try reader.string("failure"))
    }

    /// A file of a later version belongs to a newer agent: refused rather than misread.
    static func check(version: Int, supported: Int, _ file: String) throws(RuntimeError) {
        guard version >= 1, version <= supported else {
            throw RuntimeError(.unsupported, "\(file) has version \(version): this agent reads up to version \(supported)")
        }
    }
}
