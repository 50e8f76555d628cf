internal import Runtime

/// What one container asks for, in the units of the kernel: thousandths of a CPU and bytes.
struct ContainerDemand: Sendable, Hashable {
    var cpuRequest: Int64?
    var cpuLimit: Int64?
    var memoryRequest: Int64?
    var memoryLimit: Int64?
}

/// Kubernetes' three classes of service, by requests and limits for CPU and memory.
enum PodQoSClass: String, Sendable {
    case guaranteed = "Guaranteed"
    case burstable = "Burstable"
    case bestEffort = "BestEffort"

    /// - Parameter containers: all containers and init containers of the pod.
    init(_ containers: [ContainerDemand]) {
        let isEmpty = containers.allSatisfy { demand in
            [demand.cpuRequest, demand.cpuLimit, demand.memoryRequest, demand.memoryLimit].allSatisfy { ($0 ?? 0) == 0 }
        }
        let isFixed = containers.allSatisfy { demand in
            guard let cpu = demand.cpuLimit, cpu > 0, let memory = demand.memoryLimit, memory > 0 else { return false }
            return (demand.cpuRequest ?? cpu) == cpu && (demand.memoryRequest ?? memory) == memory
        }
        self = isEmpty ? .bestEffort : isFixed ? .guaranteed : .burstable
    }

    /// Parent of the pod's cgroup, relative to the node's cgroup root.
    func cgroupParent(uid: String) -> String {
        switch self {
        case .guaranteed: "kubepods/guaranteed/pod\(uid)"
        case .burstable: "kubepods/burstable/pod\(uid)"
        case .bestEffort: "kubepods/besteffort/pod\(uid)"
        }
    }
}

/// From requests and limits to cgroup values, with the constants of the kubelet.
enum ResourceArithmetic {
    static let period: UInt64 = 100_000
    static let minimumQuota: Int64 = 1_000

    /// CPU weight for thousandths of a CPU.
    static func shares(milliCPU: Int64) -> UInt64 {
        milliCPU <= 0 ? 2 : UInt64(min(262_144, max(2, milliCPU.multipliedReportingOverflow(by: 1024).partialValue / 1000)))
    }

    /// Microseconds in each period, nil without a limit.
    static func quota(milliCPU: Int64?) -> Int64? {
        guard let milliCPU, milliCPU > 0 else { return nil }
        return max(minimumQuota, milliCPU * Int64(period) / 1000)
    }

    /// How eagerly the kernel kills the container when the node runs out of memory.
    static func oomScoreAdjustment(_ qos: PodQoSClass, memoryRequest: Int64, nodeMemory: Int64, isNodeCritical: Bool) -> Int {
        if isNodeCritical { return -997 }
        switch qos {
        case .guaranteed: return -997
        case .bestEffort: return 1000
        case .burstable:
            let score = 1000 - Int((Double(memoryRequest) * 1000 / Double(max(1, nodeMemory))).rounded(.down))
            // Never below what is guaranteed, never as cheap to kill as best effort.
            return min(999, max(3, score))
        }
    }

    static func resources(of demand: ContainerDemand, oomScoreAdjustment: Int, pidsLimit: Int64?) -> ContainerResources {
        // A limit without a request is a request as well.
        let request = demand.cpuRequest ?? demand.cpuLimit ?? 0
        let quota = quota(milliCPU: demand.cpuLimit)
        return ContainerResources(
            cpuShares: shares(milliCPU: request), cpuQuota: quota, cpuPeriod: quota == nil ? nil : period,
            memoryLimit: demand.memoryLimit.flatMap { $0 > 0 ? $0 : nil }, pidsLimit: pidsLimit, oomScoreAdjustment: oomScoreAdjustment)
    }

    /// The pod's own cgroup: what its containers may use together. A limit holds only if every container has one.
    static func podResources(containers: [ContainerDemand], initContainers: [(demand: ContainerDemand, isSidecar: Bool)]) -> ContainerResources {
        let all = containers + initContainers.map(\.demand)
        func total(_ value: (ContainerDemand) -> Int64?) -> Int64 {
            var sidecars: Int64 = 0
            var peak: Int64 = 0
            for (demand, isSidecar) in initContainers {
                let amount = value(demand) ?? 0
                // A sidecar stays; an ordinary init container runs beside the sidecars before it and ends.
                if isSidecar { sidecars += amount } else { peak = max(peak, sidecars + amount) }
            }
            return max(peak, containers.reduce(sidecars) { $0 + (value($1) ?? 0) })
        }
        let quota = all.allSatisfy { ($0.cpuLimit ?? 0) > 0 } ? quota(milliCPU: total(\.cpuLimit)) : nil
        return ContainerResources(
            cpuShares: shares(milliCPU: total { $0.cpuRequest ?? $0.cpuLimit }), cpuQuota: quota, cpuPeriod: quota == nil ? nil : period,
            memoryLimit: all.allSatisfy { ($0.memoryLimit ?? 0) > 0 } ? total(\.memoryLimit) : nil)
    }
}
