internal import JSONTree
internal import KubeAPI

/// Every pod has a service account, and a token of it in its containers unless it does not want one.
struct ServiceAccountAdmission: AdmissionPlugin {
    static let mountPath = "/var/run/secrets/kubernetes.io/serviceaccount"
    static let volumePrefix = "kube-api-access-"
    /// An hour and a bit that says: this token was mounted by the server.
    static let tokenSeconds: Int64 = 3607
    /// How long a pod waits for the account `default` of a new namespace, which a controller makes.
    static let patience = Duration.seconds(5)

    let accounts: ResourceCache
    /// A number from zero up to but without the argument.
    let random: @Sendable (Int) -> Int
    var clock: any Clock<Duration> = ContinuousClock()

    func admit(_ request: inout AdmissionRequest) async throws(StatusError) {
        guard request.resource == .pods, request.operation == .create, request.subresource.isEmpty, var pod = request.object,
            pod["spec"]?.object != nil
        else { return }
        if PodReference.isMirror(pod) {
            guard nonEmpty(pod[path: "spec", "serviceAccountName"]) == nil else {
                throw .forbidden(request.resource, request.name, "a mirror pod may not reference service accounts")
            }
            return
        }
        let name = nonEmpty(pod[path: "spec", "serviceAccountName"]) ?? nonEmpty(pod[path: "spec", "serviceAccount"]) ?? "default"
        pod["spec"]?["serviceAccountName"] = .string(name)
        pod["spec"]?["serviceAccount"] = .string(name)
        guard let account = await account(request.namespace, name) else {
            let subject = request.name.isEmpty ? pod[path: "metadata", "generateName"]?.string ?? "" : request.name
            throw .forbidden(
                request.resource, subject, "error looking up service account \(request.namespace)/\(name): serviceaccount \"\(name)\" not found")
        }
        if pod[path: "spec", "automountServiceAccountToken"]?.bool ?? account["automountServiceAccountToken"]?.bool ?? true {
            Self.mountToken(&pod, suffix: suffix())
        }
        if (pod[path: "spec", "imagePullSecrets"]?.array ?? []).isEmpty, let secrets = account["imagePullSecrets"]?.array, !secrets.isEmpty {
            pod["spec"]?["imagePullSecrets"] = .array(secrets)
        }
        request.object = pod
    }

    // MARK: the account

    private func account(_ namespace: String, _ name: String) async -> JSON? {
        if let account = accounts.object(namespace: namespace, name: name) { return account.json() }
        guard name == "default" else { return nil }
        let watcher = Watcher()
        defer { accounts.remove(watcher) }
        _ = accounts.watch(watcher, namespace: namespace, after: nil, known: 0)
        // It may have come between the look and the watch.
        if let account = accounts.object(namespace: namespace, name: name) { return account.json() }
        return await withTaskGroup(of: JSON?.self) { group in
            group.addTask { await Self.appearance(of: name, namespace, watcher) }
            group.addTask { [clock] in
                // A cancelled sleep means that the account has come.
                try? await clock.sleep(for: Self.patience)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }

    private static func appearance(of name: String, _ namespace: String, _ watcher: Watcher) async -> JSON? {
        while case .events(let events) = await watcher.next() {
            for event in events where !event.deleted && event.object.key.namespace == namespace && event.object.key.name == name { return event.object.json() }
        }
        return nil
    }

    // MARK: the token

    private func suffix() -> String {
        let letters = Array("bcdfghjklmnpqrstvwxz2456789")
        return String((0..<5).map { _ in letters[random(letters.count)] })
    }

    /// Adds the volume, and its mount to every container that has nothing at its place.
    static func mountToken(_ pod: inout JSON, suffix: String) {
        let volumes = pod[path: "spec", "volumes"]?.array ?? []
        let existing = volumes.first { $0["name"]?.string?.hasPrefix(volumePrefix) == true }?["name"]?.string
        let name = existing ?? volumePrefix + suffix
        var isNeeded = false
        for list in ["initContainers", "containers"] {
            pod["spec"]?[list]?.withArray { containers in
                for index in containers.indices {
                    var mounts = containers[index]["volumeMounts"]?.array ?? []
                    if mounts.contains(where: { $0["mountPath"]?.string == mountPath }) { continue }
                    mounts.append(["name": .string(name), "readOnly": true, "mountPath": .string(mountPath)])
                    containers[index]["volumeMounts"] = .array(mounts)
                    isNeeded = true
                }
            }
        }
        if isNeeded, existing == nil { pod["spec"]?["volumes"] = .array(volumes + [volume(name)]) }
    }

    private static func volume(_ name: String) -> JSON {
        let namespace: JSON = ["path": "namespace", "fieldRef": ["apiVersion": "v1", "fieldPath": "metadata.namespace"]]
        return [
            "name": .string(name),
            "projected": [
                "sources": [
                    ["serviceAccountToken": ["expirationSeconds": JSON(tokenSeconds), "path": "token"]],
                    ["configMap": ["name": "kube-root-ca.crt", "items": [["key": "ca.crt", "path": "ca.crt"]]]],
                    ["downwardAPI": ["items": [namespace]]],
                ],
                "defaultMode": 420,
            ],
        ]
    }
}
