public import JSONTree
internal import KubeAPI

/// Cluster roles whose rules are those of other cluster roles, chosen by label (`aggregationRule`).
public enum ClusterRoleAggregation {
    /// The rules that a role should have, sorted by the names of where they come from, each once; nil if it gathers none.
    /// - Parameter all: every ClusterRole.
    public static func rules(of role: JSON, among all: [JSON]) -> [JSON]? {
        guard let selectors = role[path: "aggregationRule", "clusterRoleSelectors"]?.array else { return nil }
        let own = name(role)
        var rules: [JSON] = []
        for other in all.sorted(by: { name($0) < name($1) }) where name(other) != own {
            let labels = labels(other)
            guard selectors.contains(where: { matches($0, labels) }) else { continue }
            for rule in other["rules"]?.array ?? [] where !rules.contains(rule) { rules.append(rule) }
        }
        return rules
    }

    private static func name(_ role: JSON) -> String { role[path: "metadata", "name"]?.string ?? "" }

    private static func labels(_ role: JSON) -> [String: String] {
        var labels: [String: String] = [:]
        for (key, value) in role[path: "metadata", "labels"]?.object ?? [:] { labels[key] = value.string }
        return labels
    }

    private static func matches(_ selector: JSON, _ labels: [String: String]) -> Bool {
        for (key, value) in selector["matchLabels"]?.object ?? [:] where labels[key] != value.string { return false }
        return (selector["matchExpressions"]?.array ?? []).allSatisfy { expression in
            let values = Set((expression["values"]?.array ?? []).compactMap(\.string))
            let found = labels[expression["key"]?.string ?? ""]
            switch expression["operator"]?.string {
            case "In": return found.map(values.contains) ?? false
            case "NotIn": return found.map { !values.contains($0) } ?? true
            case "Exists": return found != nil
            case "DoesNotExist": return found == nil
            default: return false
            }
        }
    }
}
