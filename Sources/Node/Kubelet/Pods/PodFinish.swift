internal import BlockingCalls

/// Removes what is left of a pod whose containers and sandbox are gone, then finishes its deletion at the API.
///
/// The order keeps the promise that nothing leaks: the record is the last to go, so an agent that dies in between
/// finds the pod again and goes on.
struct PodFinish: Sendable {
    var manifest: PodManifest
    var isGone: Bool
    var services: PodServices
    var publisher: StatusPublisher

    func run() async throws {
        await services.references.forget(manifest.uid)
        await services.tokens.forget(manifest.uid)
        try await services.volumes.tearDown(manifest.uid)
        if !isGone {
            try await publisher.flush()
            try await services.client.finishPod(namespace: manifest.namespace, name: manifest.name, uid: manifest.uid)
        }
        let (store, manifest) = (services.store, manifest)
        try await BlockingThreads.kubelet.run {
            try HostFiles.remove(store.logDirectory(namespace: manifest.namespace, name: manifest.name, uid: manifest.uid))
            try HostFiles.remove(store.directory(manifest.uid))
        }
    }
}
