public import KubeClient
public import KubeTypes

extension ServiceProxy {
    /// Works with what the informers tell, until cancelled. The informers are run by whoever made them.
    public func run(services: Informer<Service>, slices: Informer<EndpointSlice>) async {
        let (service, slice) = (services.changes(), slices.changes())
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await change in service {
                    guard let object = change.object else { self.submit(.servicesComplete); continue }
                    self.submit(reading: { services.object(namespace: object.namespace, name: object.name).map { [Self.news($0)] } ?? [.serviceRemoved(.init(object))] })
                }
            }
            group.addTask {
                for await change in slice {
                    guard let object = change.object else { self.submit(.slicesComplete); continue }
                    self.submit(reading: { slices.object(namespace: object.namespace, name: object.name).map { [Self.news($0)] } ?? [.sliceRemoved(.init(object))] })
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
        submit(reading: { services.objects.map { Self.news($0) } + slices.objects.map { Self.news($0) } })
        try await synchronize()
    }

    private static func news(_ service: Service) -> ServiceChange { ServiceDescription(service).map { .service($0) } ?? .serviceRemoved(ObjectName(service)) }
    private static func news(_ slice: EndpointSlice) -> ServiceChange { EndpointSliceDescription(slice).map { .slice($0) } ?? .sliceRemoved(ObjectName(slice)) }
}

extension ObjectName {
    fileprivate init(_ object: some KubeObject) { self.init(object.namespace, object.name) }
}
