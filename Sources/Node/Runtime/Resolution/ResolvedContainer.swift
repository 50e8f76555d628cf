import Cgroups

/// A container's configuration with every default filled in and every name looked up: the OCI runtime specification of it,
/// resolved. What is left to do is to carry it out.
struct ResolvedContainer: Sendable, Hashable {
    struct Limit: Sendable, Hashable {
        /// The kernel's RLIMIT_* number.
        var resource: UInt32
        var soft: UInt64
        var hard: UInt64
    }

    var arguments: [String]
    var environment: [String]
    var workingDirectory: String
    var identity: Identity
    var capabilities: CapabilitySet
    var noNewPrivileges: Bool
    var limits: [Limit]
    var oomScoreAdjustment: Int32
    var mounts: [ResolvedMount]
    /// Nodes to make in `/dev`; empty where the container mounts a `/dev` of its own.
    var devices: [KernelSurface.Device]
    var maskedPaths: [String]
    var readOnlyPaths: [String]
    var readOnlyRoot: Bool
    var terminal: Bool
    var resources: CgroupResources
    var stopSignal: Int32

    /// RLIMIT_NOFILE: what nodes with containerd have given their containers for years.
    static let openFiles: UInt64 = 1_048_576
    private static let terminationSignal: Int32 = 15

    /// Pure: everything that depends on the host or the image comes in as a value.
    static func resolve(
        _ configuration: ContainerConfiguration, image: ImageDefaults, accounts: AccountFiles, pod: PodContext, host: HostAbilities
    ) throws(RuntimeError) -> ResolvedContainer {
        let identity = try Identity.resolve(configuration.security, imageUser: image.user, accounts: accounts)
        let mounts = try MountTable.resolve(configuration, pod: pod)
        let ownDevices = configuration.mounts.contains { MountTable.normalized($0.target) == "/dev" }
        let security = configuration.security
        guard Identifiers.isConfined(configuration.logPath) else {
            throw RuntimeError(.invalidConfiguration, "log path \"\(configuration.logPath)\" is not usable: expected a relative path without \"..\"")
        }
        return ResolvedContainer(
            arguments: try ProcessResolution.arguments(configuration, image: image),
            environment: try ProcessResolution.environment(configuration, image: image, hostname: pod.hostname, home: identity.home),
            workingDirectory: ProcessResolution.workingDirectory(configuration, image: image),
            identity: identity,
            capabilities: try CapabilitySet.resolve(security, available: host.capabilities),
            noNewPrivileges: security.noNewPrivileges,
            limits: [Limit(resource: 7, soft: min(openFiles, host.openFiles), hard: min(openFiles, host.openFiles))],
            // Nil would leave the shim's, which the OOM killer spares.
            oomScoreAdjustment: host.oomScoreAdjustment(configuration.resources.oomScoreAdjustment ?? 0),
            mounts: mounts,
            devices: ownDevices ? [] : KernelSurface.devices,
            maskedPaths: KernelSurface.maskedPaths(security),
            readOnlyPaths: KernelSurface.readOnlyPaths(security),
            readOnlyRoot: security.readOnlyRootFilesystem,
            terminal: configuration.tty,
            resources: try cgroupResources(configuration.resources, devices: KernelSurface.deviceRules(security)),
            stopSignal: try stopSignal(image))
    }

    /// An image with a stop signal that is none gets SIGTERM's place taken by an error, not silently.
    private static func stopSignal(_ image: ImageDefaults) throws(RuntimeError) -> Int32 {
        if image.stopSignal.isEmpty { return terminationSignal }
        guard let signal = SignalName.number(image.stopSignal) else {
            throw RuntimeError(.createFailed, "the image's stop signal \"\(image.stopSignal)\" is no signal of Linux", step: "read the stop signal")
        }
        return signal
    }

    /// The limits as the cgroup module takes them.
    static func cgroupResources(_ resources: ContainerResources, devices: [DeviceRule]?) throws(RuntimeError) -> CgroupResources {
        if let limit = resources.memoryLimit, limit == 0 || limit < -1 {
            throw RuntimeError(.invalidConfiguration, "memory limit \(limit) is not usable: expected bytes, or -1 for none")
        }
        // A container's out-of-memory ends all of it, as Kubernetes has it since 1.28 on v2.
        return CgroupResources(
            cpuShares: resources.cpuShares, cpuQuota: resources.cpuQuota, cpuPeriod: resources.cpuPeriod, memoryLimit: resources.memoryLimit,
            killsWholeGroupOnOOM: devices == nil ? nil : true, pidsLimit: resources.pidsLimit, devices: devices)
    }
}
