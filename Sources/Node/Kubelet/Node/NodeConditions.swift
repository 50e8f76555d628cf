internal import JSONTree

/// What presses on the node, as conditions in Kubernetes' words.
struct NodeConditions: Sendable, Hashable {
    /// What was measured.
    struct Pressure: Sendable, Hashable {
        var memory = false
        var disk = false
        var processes = false
        /// Nil: all is well; else why the node cannot run pods.
        var notReady: String?
    }

    /// Below these the node is under pressure, by Kubernetes' default eviction thresholds.
    static let memoryThreshold: Int64 = 100 << 20
    static let diskThreshold = 0.10
    static let inodeThreshold = 0.05

    /// Whether a status of one of the kubelet's conditions is not what it was; those of others do not count.
    static func differ(_ fresh: [JSON], _ previous: [JSON]) -> Bool {
        fresh.contains { condition in previous.first { $0["type"] == condition["type"] }?["status"] != condition["status"] }
    }

    /// - Parameter previous: conditions as sent before, whose transition times stay while their status does.
    static func build(_ pressure: Pressure, previous: [JSON], now: WallTime) -> [JSON] {
        let rows: [(String, Bool, String, String)] = [
            ("MemoryPressure", pressure.memory, pressure.memory ? "KubeletHasInsufficientMemory" : "KubeletHasSufficientMemory",
                pressure.memory ? "kubelet has insufficient memory available" : "kubelet has sufficient memory available"),
            ("DiskPressure", pressure.disk, pressure.disk ? "KubeletHasDiskPressure" : "KubeletHasNoDiskPressure",
                pressure.disk ? "kubelet has disk pressure" : "kubelet has no disk pressure"),
            ("PIDPressure", pressure.processes, pressure.processes ? "KubeletHasInsufficientPID" : "KubeletHasSufficientPID",
                pressure.processes ? "kubelet has insufficient PID available" : "kubelet has sufficient PID available"),
            ("Ready", pressure.notReady == nil, pressure.notReady == nil ? "KubeletReady" : "KubeletNotReady",
                pressure.notReady ?? "kubelet is posting ready status"),
        ]
        return rows.map { type, value, reason, message in
            let status = value ? "True" : "False"
            let old = previous.first { $0["type"]?.string == type }
            let since = old?["status"]?.string == status ? old?["lastTransitionTime"] : nil
            return [
                "type": JSON(type), "status": JSON(status), "lastHeartbeatTime": JSON(now.rfc3339), "lastTransitionTime": since ?? JSON(now.rfc3339),
                "reason": JSON(reason), "message": JSON(message),
            ]
        }
    }
}
