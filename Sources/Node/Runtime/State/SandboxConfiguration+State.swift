import JSONTree

extension SandboxConfiguration {
    var stateJSON: JSON {
        var writer = RecordWriter()
        writer.set("uid", uid)
        writer.set("namespace", namespace)
        writer.set("name", name)
        writer.set("hostname", hostname)
        writer.set("domainname", domainname)
        writer.set("attempt", attempt)
        writer.set("logDirectory", logDirectory)
        writer.set("cgroupParent", cgroupParent)
        writer.set("resources", resources.stateJSON)
        writer.set("sysctls", sysctls)
        writer.set("hostNetwork", hostNetwork)
        writer.set("hostPID", hostPID)
        writer.set("hostIPC", hostIPC)
        writer.set("shareProcessNamespace", shareProcessNamespace)
        writer.set("hostUsers", hostUsers)
        writer.set("labels", labels)
        writer.set("annotations", annotations)
        return writer.json
    }

    init(state: RecordReader) throws(RuntimeError) {
        self.init(
            uid: try state.string("uid"), namespace: try state.string("namespace"), name: try state.string("name"),
            hostname: try state.string("hostname"), domainname: try state.string("domainname"), attempt: try state.integer("attempt"),
            logDirectory: try state.string("logDirectory"), cgroupParent: try state.string("cgroupParent"),
            resources: try state.object("resources", ContainerResources.init(state:)) ?? ContainerResources(),
            sysctls: try state.map("sysctls"), hostNetwork: try state.bool("hostNetwork"), hostPID: try state.bool("hostPID"),
            hostIPC: try state.bool("hostIPC"), shareProcessNamespace: try state.bool("shareProcessNamespace"),
            hostUsers: try state.bool("hostUsers", default: true), labels: try state.map("labels"), annotations: try state.map("annotations"))
    }
}

extension ContainerResources {
    var stateJSON: JSON {
        var writer = RecordWriter()
        writer.set("cpuShares", cpuShares)
        writer.set("cpuQuota", cpuQuota)
        writer.set("cpuPeriod", cpuPeriod)
        writer.set("memoryLimit", memoryLimit)
        writer.set("pidsLimit", pidsLimit)
        writer.set("oomScoreAdjustment", oomScoreAdjustment)
        return writer.json
    }

    init(state: RecordReader) throws(RuntimeError) {
        self.init(
            cpuShares: try state.optionalInteger("cpuShares"), cpuQuota: try state.optionalInteger("cpuQuota"),
            cpuPeriod: try state.optionalInteger("cpuPeriod"), memoryLimit: try state.optionalInteger("memoryLimit"),
            pidsLimit: try state.optionalInteger("pidsLimit"), oomScoreAdjustment: try state.optionalInteger("oomScoreAdjustment"))
    }
}
