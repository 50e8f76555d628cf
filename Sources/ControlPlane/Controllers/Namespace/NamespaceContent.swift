import KubeAPI
import KubeTypes

/// What is left in a namespace that is being emptied, and how its conditions tell of it. Pure.
struct NamespaceContent: Sendable, Equatable {
    /// Why the kinds of objects could not be found out.
    var discoveryFailure: String?
    /// What could not be deleted, as the server worded it.
    var deletionFailures: [String] = []
    /// Objects that are left, by resource.
    var remaining: [String: Int] = [:]
    /// Finalizers that hold objects back, with the number of these.
    var finalizers: [String: Int] = [:]

    var isEmpty: Bool { discoveryFailure == nil && deletionFailures.isEmpty && remaining.isEmpty }

    func conditions(_ old: [NamespaceCondition], now: Time) -> [NamespaceCondition] {
        let told = [
            condition(
                "NamespaceDeletionDiscoveryFailure", discoveryFailure.map { ("DiscoveryFailed", "Discovery failed: \($0)") },
                ("ResourcesDiscovered", "All resources successfully discovered")),
            condition(
                "NamespaceDeletionGroupVersionParsingFailure", nil, ("ParsedGroupVersions", "All legacy kube types successfully parsed")),
            condition(
                "NamespaceDeletionContentFailure",
                deletionFailures.isEmpty
                    ? nil
                    : ("ContentDeletionFailed", "Failed to delete all resource types, \(deletionFailures.count) remaining: \(deletionFailures.sorted().joined(separator: ", "))"),
                ("ContentDeleted", "All content successfully deleted, may be waiting on finalization")),
            condition(
                "NamespaceContentRemaining",
                remaining.isEmpty ? nil : ("SomeResourcesRemain", "Some resources are remaining: \(list(remaining, "has", "resource instances"))"),
                ("ContentRemoved", "All content successfully removed")),
            condition(
                "NamespaceFinalizersRemaining",
                finalizers.isEmpty
                    ? nil
                    : ("SomeFinalizersRemain", "Some content in the namespace has finalizers remaining: \(list(finalizers, "in", "resource instances"))"),
                ("ContentHasNoFinalizers", "All content-preserving finalizers finished")),
        ]
        let types = Set(told.map(\.type))
        return old.filter { !types.contains($0.type) } + told.map { new in
            var new = new
            let before = old.first { $0.type == new.type }
            new.lastTransitionTime = before?.status == new.status ? before?.lastTransitionTime : now.truncatedToSeconds
            return new
        }
    }

    private func list(_ counts: [String: Int], _ verb: String, _ noun: String) -> String {
        counts.sorted { $0.key < $1.key }.map { "\($0.key) \(verb) \($0.value) \(noun)" }.joined(separator: ", ")
    }

    private func condition(_ type: String, _ problem: (String, String)?, _ fine: (String, String)) -> NamespaceCondition {
        let (reason, message) = problem ?? fine
        return NamespaceCondition(message: message, reason: reason, status: problem == nil ? "False" : "True", type: type)
    }
}
