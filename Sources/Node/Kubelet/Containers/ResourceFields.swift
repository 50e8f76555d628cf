internal import KubeAPI

/// Requests and limits of a container, as `resourceFieldRef` names them. A limit that is not set is what the node has.
struct ResourceFields: Sendable {
    var demand: ContainerDemand
    var ephemeralStorageRequest: Int64?
    var node: NodeFacts

    /// - Parameter divisor: nil: 1. The quotient is rounded up.
    func value(_ resource: String, divisor: Quantity?) -> String? {
        let isCPU = resource.hasSuffix(".cpu")
        let amount: Int64? = switch resource {
        case "limits.cpu": demand.cpuLimit ?? node.allocatable.cpuLimit ?? 0
        case "requests.cpu": demand.cpuRequest ?? 0
        case "limits.memory": demand.memoryLimit ?? node.allocatable.memoryLimit ?? 0
        case "requests.memory": demand.memoryRequest ?? 0
        case "limits.ephemeral-storage": node.storage
        case "requests.ephemeral-storage": ephemeralStorageRequest ?? 0
        default: nil
        }
        guard let amount else { return nil }
        let unit = divisor.flatMap { $0.isZero ? nil : $0 }.map { isCPU ? $0.milliValue : $0.value } ?? (isCPU ? 1000 : 1)
        guard unit > 0 else { return nil }
        return String(amount / unit + (amount % unit == 0 ? 0 : 1))
    }
}
