import JSONTree
import KubeAPI
import KubeClient
import Logging

/// Follows the metadata of every object of one resource, whatever its kind: lists, watches, lists anew.
struct MetadataMonitor: Sendable {
    enum Change: Sendable {
        /// All there are.
        case all([GraphNode])
        case seen(GraphNode)
        case gone(String)
    }

    let client: KubeClient
    let resource: ResourceReference
    let backoff: Backoff
    let logger: Logger

    /// Follows until cancelled.
    /// - Parameter handle: is told every change, in order.
    func run(_ handle: @Sendable (Change) -> Void) async {
        var version: String?
        var failures = 0
        while !Task.isCancelled {
            do {
                if version == nil { version = try await list(handle) }
                let before = version
                try await follow(&version, handle)
                // A watch that ended without news may have been cut at once: do not spin.
                failures = version == before ? failures + 1 : 0
            } catch let error as KubeError where error.isExpired {
                version = nil
                failures += 1
            } catch {
                failures += 1
                if !Task.isCancelled { logger.debug("watching \(resource.groupResource): \(error)") }
            }
            if failures > 0 { do { try await backoff.pause(failures) } catch { return } }
        }
    }

    private func list(_ handle: (Change) -> Void) async throws -> String {
        let list = try await client.list(resource)
        guard let version = list[path: "metadata", "resourceVersion"]?.string, !version.isEmpty else {
            throw KubeError(reason: .decoding, message: "expected a resourceVersion in the list of \(resource.groupResource)")
        }
        handle(.all((list["items"]?.array ?? []).compactMap { GraphNode($0, resource: resource) }))
        return version
    }

    private func follow(_ version: inout String?, _ handle: (Change) -> Void) async throws {
        let options = ListOptions(resourceVersion: version)
        for try await event in try await client.watch(resource, options: options, seconds: .random(in: 300...600)) {
            switch event {
            case .added(let object), .modified(let object):
                if let node = GraphNode(object, resource: resource) { handle(.seen(node)) }
                version = object[path: "metadata", "resourceVersion"]?.string ?? version
            case .deleted(let object):
                if let uid = object[path: "metadata", "uid"]?.string { handle(.gone(uid)) }
                version = object[path: "metadata", "resourceVersion"]?.string ?? version
            case .bookmark(let object):
                version = object[path: "metadata", "resourceVersion"]?.string ?? version
            }
        }
    }
}
