internal import JSONTree

/// The form on disk: JSON with a version. A newer agent reads older versions; an older one refuses newer ones.
extension PodRecord {
    static let version: Int64 = 1

    var json: JSON {
        var object: JSONObject = ["version": JSON(Self.version), "uid": JSON(uid), "startTime": startTime.json, "sandboxAttempt": JSON(sandboxAttempt)]
        object["sandboxID"] = sandboxID.map { JSON($0) }
        object["addresses"] = JSON(addresses)
        object["volumesArePrepared"] = JSON(volumesArePrepared)
        if let ending {
            var value: JSONObject = ["grace": JSON(ending.grace.wholeNanoseconds), "isGone": JSON(ending.isGone)]
            value["killAt"] = ending.killAt?.json
            value["reason"] = ending.failure.map { JSON($0.reason) }
            value["message"] = ending.failure.map { JSON($0.message) }
            object["ending"] = .object(value)
        }
        object["containers"] = .object(JSONObject(containers.sorted { $0.key < $1.key }.map { ($0.key, $0.value.json) }))
        object["publishedStatus"] = publishedStatus
        return .object(object)
    }

    init(json: JSON) throws(KubeletError) {
        guard let version = json["version"]?.int, let uid = json["uid"]?.string, let startTime = WallTime(json["startTime"]) else {
            throw KubeletError(.state, "pod record: expected version, uid and startTime, found \(json.object?.keys ?? [])")
        }
        guard version == Self.version else { throw KubeletError(.state, "pod record: expected version \(Self.version), found \(version)") }
        self.init(uid: uid, startTime: startTime)
        sandboxAttempt = UInt32(clamping: json["sandboxAttempt"]?.int ?? 0)
        sandboxID = json["sandboxID"]?.string
        addresses = json["addresses"]?.array?.compactMap(\.string) ?? []
        volumesArePrepared = json["volumesArePrepared"]?.bool ?? false
        if let value = json["ending"] {
            // Older records hold a point in time instead; Kubernetes' default stands in for what it was made of.
            let grace = value["grace"]?.int.map { Duration.nanoseconds($0) } ?? .seconds(30)
            let failure = value["reason"]?.string.map { Failure(reason: $0, message: value["message"]?.string ?? "") }
            ending = Ending(grace: grace, killAt: BootTime(value["killAt"]), isGone: value["isGone"]?.bool ?? false, failure: failure)
        }
        for (name, value) in json["containers"]?.object ?? [:] { containers[name] = ContainerRecord(json: value) }
        publishedStatus = json["publishedStatus"]
    }
}

extension ContainerRecord {
    var json: JSON {
        var object: JSONObject = ["attempt": JSON(attempt), "hasInstance": JSON(hasInstance), "appliedImage": JSON(appliedImage), "imageID": JSON(imageID)]
        object["id"] = id.map { JSON($0) }
        object["sandboxID"] = sandboxID.map { JSON($0) }
        object["startedAt"] = startedAt?.json
        object["killAt"] = killAt?.json
        object["exit"] = exit?.json
        object["previous"] = previous?.json
        object["backoff"] = backoff.map { ["delay": JSON($0.delay.wholeNanoseconds), "attemptedAt": $0.attemptedAt.json] }
        if let startFailure {
            var value: JSONObject = ["reason": JSON(startFailure.reason), "message": JSON(startFailure.message), "at": startFailure.at.json]
            value["retryAt"] = startFailure.retryAt?.json
            object["startFailure"] = .object(value)
        }
        if !probes.isEmpty {
            object["probes"] = .object(JSONObject(probes.sorted { $0.key.rawValue < $1.key.rawValue }.map { ($0.key.rawValue, $0.value.json) }))
        }
        return .object(object)
    }

    init(json: JSON) {
        attempt = UInt32(clamping: json["attempt"]?.int ?? 0)
        hasInstance = json["hasInstance"]?.bool ?? false
        appliedImage = json["appliedImage"]?.string ?? ""
        imageID = json["imageID"]?.string ?? ""
        id = json["id"]?.string
        sandboxID = json["sandboxID"]?.string
        startedAt = WallTime(json["startedAt"])
        killAt = BootTime(json["killAt"])
        exit = json["exit"].flatMap(InstanceExit.init(json:))
        previous = json["previous"].flatMap(InstanceExit.init(json:))
        if let value = json["backoff"], let delay = value["delay"]?.int, let attemptedAt = WallTime(value["attemptedAt"]) {
            backoff = RestartBackoff.Entry(delay: .nanoseconds(delay), attemptedAt: attemptedAt)
        }
        if let value = json["startFailure"], let reason = value["reason"]?.string, let at = WallTime(value["at"]) {
            startFailure = StartFailure(reason: reason, message: value["message"]?.string ?? "", at: at, retryAt: WallTime(value["retryAt"]))
        }
        for (name, value) in json["probes"]?.object ?? [:] {
            if let kind = ProbeSpec.Kind(rawValue: name) { probes[kind] = ProbeState(json: value) }
        }
    }
}

extension ContainerRecord.InstanceExit {
    var json: JSON {
        var object: JSONObject = ["id": JSON(id), "code": JSON(code), "reason": JSON(reason), "message": JSON(message), "finishedAt": finishedAt.json]
        object["signal"] = signal.map { JSON($0) }
        object["startedAt"] = startedAt?.json
        return .object(object)
    }

    init?(json: JSON) {
        guard let id = json["id"]?.string, let code = json["code"]?.int, let finishedAt = WallTime(json["finishedAt"]) else { return nil }
        self.init(
            id: id, code: Int32(clamping: code), signal: json["signal"]?.int.map { Int32(clamping: $0) }, reason: json["reason"]?.string ?? "",
            message: json["message"]?.string ?? "", startedAt: WallTime(json["startedAt"]), finishedAt: finishedAt)
    }
}

extension ProbeState {
    var json: JSON {
        var object: JSONObject = ["run": JSON(run)]
        object["verdict"] = verdict.map { JSON($0) }
        object["lastOutcome"] = lastOutcome.map { JSON($0) }
        return .object(object)
    }

    init(json: JSON) {
        self.init(verdict: json["verdict"]?.bool, lastOutcome: json["lastOutcome"]?.bool, run: Int(json["run"]?.int ?? 0))
    }
}

extension WallTime {
    /// Nanoseconds: the form of persisted state, which loses nothing.
    var json: JSON { JSON(nanoseconds) }

    init?(_ json: JSON?) {
        guard let value = json?.int else { return nil }
        self.init(nanoseconds: value)
    }
}
