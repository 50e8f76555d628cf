public import KubeClient
public import KubeTypes

/// Which version of each object the proxy was told last, so that only news are converted.
struct ToldVersions {
    private var services: [ObjectName: String] = [:]
    private var slices: [ObjectName: String] = [:]

    mutating func news(_ name: ObjectName, _ service: Service?) -> ServiceChange? {
        guard Self.isNews(name, service, &services) else { return nil }
        return service.flatMap { ServiceDescription($0) }.map { .service($0) } ?? .serviceRemoved(name)
    }

    mutating func news(_ name: ObjectName, _ slice: EndpointSlice?) -> ServiceChange? {
        guard Self.isNews(name, slice, &slices) else { return nil }
        return slice.flatMap { EndpointSliceDescription($0) }.map { .slice($0) } ?? .sliceRemoved(name)
    }

    private static func isNews(_ name: ObjectName, _ object: (some KubeObject)?, _ told: inout [ObjectName: String]) -> Bool {
        guard let object else {
            told[name] = nil
            return true
        }
        // Another object of the same name never has the same version.
        let version = object.metadata.resourceVersion ?? ""
        return told.updateValue(version, forKey: name) != version || version.isEmpty
    }
}

extension ServiceProxy {
    /// Works with what the informers tell, until cancelled. The informers are run by whoever made them.
    public func run(services: Informer<Service>, slices: Informer<EndpointSlice>) async {
        let (service, slice) = (services.changes(), slices.changes())
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await change in service {
                    guard let name = change.object.map({ ObjectName($0) }) else { self.submit(.servicesComplete); continue }
                    // What the copy holds now, which may be newer than what is told.
                    self.submit { [$0.news(name, services.object(namespace: name.namespace, name: name.name))] }
                }
            }
            group.addTask {
                for await change in slice {
                    guard let name = change.object.map({ ObjectName($0) }) else { self.submit(.slicesComplete); continue }
                    self.submit { [$0.news(name, slices.object(namespace: name.namespace, name: name.name))] }
                }
            }
            group.addTask { await self.run() }
            await group.next()
            group.cancelAll()
        }
    }

    /// Waits until what the informers hold now is in the kernel, whether or not they have told it yet: for a pod that is
    /// about to start. A Service that is gone may still be there.
    public func synchronize(services: Informer<Service>, slices: Informer<EndpointSlice>) async throws {
        submit { told in
            services.objects.map { told.news(ObjectName($0), $0) } + slices.objects.map { told.news(ObjectName($0), $0) }
        }
        try await synchronize()
    }
}

extension ObjectName {
    fileprivate init(_ object: some KubeObject) { self.init(object.namespace, object.name) }
}
