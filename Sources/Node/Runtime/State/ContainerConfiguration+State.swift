import JSONTree

extension ContainerConfiguration {
    var stateJSON: JSON {
        var writer = RecordWriter()
        writer.set("name", name)
        writer.set("attempt", attempt)
        writer.set("image", image)
        writer.set("command", command)
        writer.set("arguments", arguments)
        writer.set("workingDirectory", workingDirectory)
        writer.set("environment", .array(environment.map { ["name": .string($0.name), "value": .string($0.value)] }))
        writer.set("mounts", .array(mounts.map(\.stateJSON)))
        writer.set("resources", resources.stateJSON)
        writer.set("security", security.stateJSON)
        writer.set("stdin", stdin)
        writer.set("stdinOnce", stdinOnce)
        writer.set("tty", tty)
        writer.set("logPath", logPath)
        writer.set("labels", labels)
        writer.set("annotations", annotations)
        return writer.json
    }

    init(state: RecordReader) throws(RuntimeError) {
        self.init(
            name: try state.string("name"), attempt: try state.integer("attempt"), image: try state.string("image"),
            command: try state.optionalStrings("command"), arguments: try state.optionalStrings("arguments"),
            workingDirectory: try state.string("workingDirectory"),
            environment: try state.objects("environment") { entry throws(RuntimeError) in
                EnvironmentVariable(name: try entry.string("name"), value: try entry.string("value"))
            },
            mounts: try state.objects("mounts", Mount.init(state:)),
            resources: try state.object("resources", ContainerResources.init(state:)) ?? ContainerResources(),
            security: try state.object("security", SecurityConfiguration.init(state:)) ?? SecurityConfiguration(),
            stdin: try state.bool("stdin"), stdinOnce: try state.bool("stdinOnce"), tty: try state.bool("tty"),
            logPath: try state.string("logPath"), labels: try state.map("labels"), annotations: try state.map("annotations"))
    }
}

extension Mount {
    fileprivate var stateJSON: JSON {
        var writer = RecordWriter()
        writer.set("source", source)
        writer.set("target", target)
        writer.set("readOnly", readOnly)
        writer.set("recursiveReadOnly", recursiveReadOnly)
        writer.set("propagation", propagation.rawValue)
        return writer.json
    }

    fileprivate init(state: RecordReader) throws(RuntimeError) {
        self.init(
            source: try state.string("source"), target: try state.string("target"), readOnly: try state.bool("readOnly"),
            recursiveReadOnly: try state.bool("recursiveReadOnly"), propagation: try state.choice("propagation"))
    }
}

extension SecurityConfiguration {
    fileprivate var stateJSON: JSON {
        var writer = RecordWriter()
        writer.set("user", user)
        writer.set("group", group)
        writer.set("supplementalGroups", .array(supplementalGroups.map { .number(JSONNumber(Int64($0))) }))
        writer.set("privileged", privileged)
        writer.set("readOnlyRootFilesystem", readOnlyRootFilesystem)
        writer.set("noNewPrivileges", noNewPrivileges)
        writer.set("addCapabilities", addCapabilities)
        writer.set("dropCapabilities", dropCapabilities)
        switch seccomp {
        case .runtimeDefault: writer.set("seccomp", "RuntimeDefault")
        case .unconfined: writer.set("seccomp", "Unconfined")
        case .localhost(let path): writer.set("seccomp", "Localhost/" + path)
        }
        writer.set("maskPaths", maskPaths)
        return writer.json
    }

    fileprivate init(state: RecordReader) throws(RuntimeError) {
        var groups: [UInt32] = []
        for group in state.object["supplementalGroups"]?.array ?? [] {
            guard let number = group.int, let id = UInt32(exactly: number) else {
                throw RuntimeError(.wrongState, "\(state.what).supplementalGroups: expected 32-bit numbers")
            }
            groups.append(id)
        }
        let word = try state.string("seccomp")
        let seccomp: Seccomp
        switch word {
        case "RuntimeDefault", "": seccomp = .runtimeDefault
        case "Unconfined": seccomp = .unconfined
        case _ where word.hasPrefix("Localhost/"): seccomp = .localhost(path: String(word.dropFirst("Localhost/".count)))
        default: throw RuntimeError(.wrongState, "\(state.what).seccomp: expected RuntimeDefault, Unconfined or Localhost/, found \"\(word)\"")
        }
        self.init(
            user: try state.optionalInteger("user"), group: try state.optionalInteger("group"), supplementalGroups: groups,
            privileged: try state.bool("privileged"), readOnlyRootFilesystem: try state.bool("readOnlyRootFilesystem"),
            noNewPrivileges: try state.bool("noNewPrivileges"), addCapabilities: try state.strings("addCapabilities"),
            dropCapabilities: try state.strings("dropCapabilities"), seccomp: seccomp, maskPaths: try state.bool("maskPaths", default: true))
    }
}
