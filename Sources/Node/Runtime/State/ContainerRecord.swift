import JSONTree

/// `<run-dir>/pods/<sandbox id>/containers/<container id>.json`: its presence says that the container was made completely.
///
///     absent ──create──▶ created ──start──▶ running ──exit──▶ exited ──remove──▶ absent
///                           └─────start failed or sandbox died──────▲
struct ContainerRecord: Sendable, Hashable {
    static let version = 1

    var id: String
    var sandbox: String
    var configuration: ContainerConfiguration
    /// `sha256:…`
    var imageID: String
    var state: ContainerStatus.State
    /// Nanoseconds since 1970; 0: has not happened.
    var createdAt: Int64
    var startedAt: Int64
    /// The image's stop signal.
    var stopSignal: Int32

    var status: ContainerStatus {
        ContainerStatus(
            id: id, sandbox: sandbox, configuration: configuration, imageID: imageID, state: state, createdAt: createdAt, startedAt: startedAt)
    }

    var isExited: Bool { if case .exited = state { true } else { false } }
    var isRunning: Bool { if case .running = state { true } else { false } }

    var json: JSON {
        var writer = RecordWriter()
        writer.set("version", Self.version)
        writer.set("id", id)
        writer.set("sandbox", sandbox)
        writer.set("configuration", configuration.stateJSON)
        writer.set("imageID", imageID)
        switch state {
        case .created: writer.set("state", "created")
        case .running(let pid):
            writer.set("state", "running")
            writer.set("pid", pid)
        case .exited(let exit):
            writer.set("state", "exited")
            writer.set("exit", exit.stateJSON)
        }
        writer.set("createdAt", createdAt)
        writer.set("startedAt", startedAt)
        writer.set("stopSignal", stopSignal)
        return writer.json
    }
}

extension ContainerRecord {
    init(json: JSON) throws(RuntimeError) {
        let reader = try RecordReader(json, "container")
        try SandboxRecord.check(version: try reader.integer("version"), supported: Self.version, "container record")
        guard let configuration = try reader.object("configuration", ContainerConfiguration.init(state:)) else {
            throw RuntimeError(.wrongState, "container.configuration: expected an object, found nothing")
        }
        let state: ContainerStatus.State
        switch try reader.string("state") {
        case "created": state = .created
        case "running": state = .running(pid: try reader.integer("pid"))
        case "exited":
            guard let exit = try reader.object("exit", ContainerExit.init(state:)) else {
                throw RuntimeError(.wrongState, "container.exit: expected an object, found nothing")
            }
            state = .exited(exit)
        case let word: throw RuntimeError(.wrongState, "container.state: expected created, running or exited, found \"\(word)\"")
        }
        self.init(
            id: try reader.string("id"), sandbox: try reader.string("sandbox"), configuration: configuration,
            imageID: try reader.string("imageID"), state: state, createdAt: try reader.integer("createdAt"),
            startedAt: try reader.integer("startedAt"), stopSignal: try reader.integer("stopSignal"))
    }
}

extension ContainerExit {
    fileprivate var stateJSON: JSON {
        var writer = RecordWriter()
        writer.set("code", code)
        writer.set("signal", signal)
        writer.set("reason", reason)
        writer.set("message", message)
        writer.set("finishedAt", finishedAt)
        return writer.json
    }

    fileprivate init(state: RecordReader) throws(RuntimeError) {
        self.init(
            code: try state.integer("code"), signal: try state.optionalInteger("signal"), reason: try state.string("reason"),
            message: try state.string("message"), finishedAt: try state.integer("finishedAt"))
    }
}
