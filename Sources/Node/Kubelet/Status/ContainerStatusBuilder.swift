internal import JSONTree

/// One entry of `containerStatuses`.
struct ContainerStatusBuilder {
    var container: ContainerPlan
    var record: ContainerRecord
    var seen: ContainerObservation
    /// Why it waits, when it does.
    var waiting: PodRecord.Failure

    static let scheme = "swiftlet://"

    var isStarted: Bool { seen.isRunning && seen.isStarted }

    /// An init container is ready when it is done; every other one when it runs and its probes say so.
    var isReady: Bool {
        if container.role == .initialization {
            if case .exited(0, _) = seen.state { return true }
            return false
        }
        return isStarted && (record.probes[.readiness].map { $0.verdict == true } ?? true)
    }

    var json: JSON {
        var object: JSONObject = [
            "name": JSON(container.name), "state": state, "lastState": lastState, "ready": JSON(isReady), "restartCount": JSON(record.attempt),
            "image": JSON(container.image), "imageID": JSON(record.imageID),
        ]
        if let id = record.id { object["containerID"] = JSON(Self.scheme + id) }
        object["started"] = JSON(isStarted)
        return .object(object)
    }

    /// Whether the container waits, rather than to stand at its last exit.
    var isWaiting: Bool {
        switch seen.state {
        case .running: false
        case .created, .none: true
        case .exited: !waiting.reason.isEmpty && waiting.reason != Self.creating && waiting.reason != Self.initializing
        }
    }

    static let creating = "ContainerCreating"
    static let initializing = "PodInitializing"

    private var state: JSON {
        if seen.isRunning {
            return ["running": ["startedAt": JSON((record.startedAt ?? seen.startedAtFallback).rfc3339)]]
        }
        if !isWaiting, let exit = record.exit { return terminated(exit) }
        var object: JSONObject = ["reason": JSON(waiting.reason)]
        if !waiting.message.isEmpty { object["message"] = JSON(waiting.message) }
        return ["waiting": .object(object)]
    }

    private var lastState: JSON {
        if isWaiting, let exit = record.exit { return terminated(exit) }
        return record.previous.map(terminated) ?? [:]
    }

    private func terminated(_ exit: ContainerRecord.InstanceExit) -> JSON {
        var object: JSONObject = ["exitCode": JSON(exit.code)]
        object["reason"] = JSON(exit.reason)
        if !exit.message.isEmpty { object["message"] = JSON(exit.message) }
        object["startedAt"] = exit.startedAt.map { JSON($0.rfc3339) }
        object["finishedAt"] = JSON(exit.finishedAt.rfc3339)
        object["containerID"] = JSON(Self.scheme + exit.id)
        return ["terminated": .object(object)]
    }
}

extension ContainerObservation {
    /// A running container always has a start time; this only keeps the type total.
    fileprivate var startedAtFallback: WallTime { WallTime(nanoseconds: 0) }
}
