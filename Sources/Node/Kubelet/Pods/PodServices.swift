internal import Logging
internal import Runtime

/// What every pod's worker works with; shared by all.
struct PodServices: Sendable {
    var configuration: KubeletConfiguration
    var runtime: any ContainerRuntime
    var images: any ImageService
    var client: any KubeletAPIClient
    var events: any EventSink
    var probes: any ProbeExecutor
    var http: HTTPProbe
    var clock: any KubeletClock
    var store: PodStore
    var volumes: VolumeManager
    var references: ConfigObjects
    var tokens: ServiceAccountTokens
    var links: ServiceDirectory
    var node: NodeFacts
    var traffic: any PodTraffic = OpenTraffic()
    var logger: Logger
}

/// What pods may ask about their node.
struct NodeFacts: Sendable, Hashable {
    var name: String
    /// The primary one first.
    var addresses: [String]
    var allocatable: ContainerDemand
    /// Bytes.
    var memory: Int64
    var storage: Int64
}
