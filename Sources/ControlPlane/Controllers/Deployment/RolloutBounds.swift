import KubeAPI
import KubeTypes

/// How far a rolling update may leave the wanted number of pods, in pods.
struct RolloutBounds: Equatable, Sendable {
    /// How many pods there may be beyond the wanted ones.
    var maxSurge = 0
    /// How many of the wanted ones may be missing.
    var maxUnavailable = 0

    init(_ deployment: Deployment) {
        guard deployment.isRolling else { return }
        let replicas = deployment.wantedReplicas
        let strategy = deployment.spec.strategy?.rollingUpdate
        maxSurge = Self.resolve(strategy?.maxSurge ?? "25%", of: replicas, roundingUp: true)
        maxUnavailable = Self.resolve(strategy?.maxUnavailable ?? "25%", of: replicas, roundingUp: false)
        // Percentages of few pods may both come to nothing, and then nothing could ever move.
        if maxSurge == 0, maxUnavailable == 0 { maxUnavailable = 1 }
        maxUnavailable = min(maxUnavailable, replicas)
    }

    /// A number, or a percentage of the replicas. What is neither counts as 0: validation refuses it.
    static func resolve(_ amount: IntOrString, of replicas: Int, roundingUp: Bool) -> Int {
        switch amount {
        case .int(let number): return max(0, number)
        case .string(let text):
            guard text.hasSuffix("%"), let percent = Int(text.dropLast()), percent >= 0 else { return 0 }
            let (product, overflow) = replicas.multipliedReportingOverflow(by: percent)
            guard !overflow else { return replicas }
            return roundingUp ? (product + 99) / 100 : product / 100
        }
    }
}

extension Deployment {
    var isRolling: Bool { (spec.strategy?.type ?? "RollingUpdate") == "RollingUpdate" }
    var wantedReplicas: Int { spec.replicas ?? 1 }
    /// Nil when progress has no deadline.
    var progressDeadline: Duration? {
        guard let seconds = spec.progressDeadlineSeconds, seconds != Int(Int32.max) else { return nil }
        return .seconds(seconds)
    }
}

extension ReplicaSet {
    var wantedReplicas: Int { spec.replicas ?? 1 }
    var availableReplicas: Int { status.availableReplicas ?? 0 }
}
