public import JSONTree

/// What a label selector asks of an object's labels; all requirements must hold.
public struct LabelRequirements: Sendable, Hashable {
    public enum Operator: String, Sendable {
        case `in` = "in"
        case notIn = "notin"
        case exists = "exists"
        case doesNotExist = "!"
        case greaterThan = ">"
        case lessThan = "<"
    }

    public struct Requirement: Sendable, Hashable {
        public let key: String
        public let `operator`: Operator
        public let values: Set<String>

        public init(key: String, operator: Operator, values: Set<String> = []) {
            self.key = key
            self.operator = `operator`
            self.values = values
        }

        /// Whether a label with this value, or none, satisfies the requirement.
        public func matches(_ value: String?) -> Bool {
            switch self.operator {
            case .in: value.map(values.contains) ?? false
            case .notIn: value.map { !values.contains($0) } ?? true
            case .exists: value != nil
            case .doesNotExist: value == nil
            case .greaterThan, .lessThan: compares(value)
            }
        }

        private func compares(_ value: String?) -> Bool {
            guard let value = value.flatMap(Int64.init), let bound = values.first.flatMap(Int64.init) else { return false }
            return self.operator == .greaterThan ? value > bound : value < bound
        }
    }

    public let requirements: [Requirement]

    public init(_ requirements: [Requirement]) { self.requirements = requirements }

    /// Matches every object.
    public static let everything = LabelRequirements([])

    /// Labels that must be equal to these.
    public init(matching labels: [String: String]) {
        requirements = labels.sorted { $0.key < $1.key }.map { Requirement(key: $0.key, operator: .in, values: [$0.value]) }
    }

    public var isEmpty: Bool { requirements.isEmpty }

    public func matches(_ labels: [String: String]) -> Bool { requirements.allSatisfy { $0.matches(labels[$0.key]) } }

    /// The same, on `metadata.labels` of an object.
    public func matches(labelsOf object: JSON) -> Bool {
        if requirements.isEmpty { return true }
        let labels = object["metadata"]?["labels"]
        return requirements.allSatisfy { $0.matches(labels?[$0.key]?.string) }
    }
}

extension LabelRequirements {
    /// The requirements of a `LabelSelector` object: `matchLabels` and `matchExpressions`.
    public init(selector: JSON) throws(APIValueError) {
        var requirements: [Requirement] = []
        for (key, value) in selector["matchLabels"]?.object ?? [:] {
            requirements.append(Requirement(key: key, operator: .in, values: [value.string ?? ""]))
        }
        for expression in selector["matchExpressions"]?.array ?? [] {
            let key = expression["key"]?.string ?? ""
            let values = Set((expression["values"]?.array ?? []).compactMap(\.string))
            switch expression["operator"]?.string {
            case "In": requirements.append(Requirement(key: key, operator: .in, values: values))
            case "NotIn": requirements.append(Requirement(key: key, operator: .notIn, values: values))
            case "Exists": requirements.append(Requirement(key: key, operator: .exists))
            case "DoesNotExist": requirements.append(Requirement(key: key, operator: .doesNotExist))
            case let other: throw APIValueError(.selector, "\"\(other ?? "")\" is not a valid label selector operator")
            }
        }
        self.init(requirements)
    }
}

extension LabelRequirements: CustomStringConvertible {
    /// The text form, which reads back as the same requirements.
    public var description: String {
        requirements.map { requirement in
            let values = requirement.values.sorted()
            switch requirement.operator {
            case .in: return values.count == 1 ? "\(requirement.key)=\(values[0])" : "\(requirement.key) in (\(values.joined(separator: ",")))"
            case .notIn: return values.count == 1 ? "\(requirement.key)!=\(values[0])" : "\(requirement.key) notin (\(values.joined(separator: ",")))"
            case .exists: return requirement.key
            case .doesNotExist: return "!\(requirement.key)"
            case .greaterThan: return "\(requirement.key)>\(values.first ?? "")"
            case .lessThan: return "\(requirement.key)<\(values.first ?? "")"
            }
        }.joined(separator: ",")
    }
}
