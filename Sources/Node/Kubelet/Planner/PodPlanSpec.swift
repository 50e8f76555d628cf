/// The part of a pod's specification that decides what happens next: what the planner sees.
struct PodPlanSpec: Sendable, Hashable {
    enum RestartPolicy: String, Sendable {
        case always = "Always"
        case onFailure = "OnFailure"
        case never = "Never"
    }
    var restartPolicy: RestartPolicy
    /// In their order; sidecars are those with `restartPolicy: Always`.
    var initContainers: [ContainerPlan]
    var containers: [ContainerPlan]
    /// How long the pod may be active, from its start time.
    var activeDeadline: Duration?

    var all: [ContainerPlan] { initContainers + containers }

    func container(_ name: String) -> ContainerPlan? { all.first { $0.name == name } }
}

struct ContainerPlan: Sendable, Hashable {
    enum Role: Sendable { case initialization, sidecar, main }
    enum PullPolicy: String, Sendable {
        case always = "Always"
        case ifNotPresent = "IfNotPresent"
        case never = "Never"
    }
    var name: String
    var role: Role
    var image: String
    var pullPolicy: PullPolicy

    init(_ name: String, role: Role = .main, image: String = "image", pullPolicy: PullPolicy = .ifNotPresent) {
        (self.name, self.role, self.image, self.pullPolicy) = (name, role, image, pullPolicy)
    }
}
