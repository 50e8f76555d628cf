/// The path of a field, as messages show it: `spec.containers[0].name`, `metadata.labels`, `data[key]`.
///
/// Validation makes a path for every field and shows hardly any, so a path is a chain of steps whose text is made when
/// it is asked for.
public struct FieldPath: Sendable, Hashable, CustomStringConvertible {
    private indirect enum Step: Sendable {
        case root(String)
        case child(Step, String)
        case index(Step, Int)
        case key(Step, String)
    }

    private let step: Step

    private init(_ step: Step) { self.step = step }

    public init(_ text: String = "") { step = .root(text) }

    public func child(_ name: String) -> FieldPath { FieldPath(.child(step, name)) }
    public func index(_ index: Int) -> FieldPath { FieldPath(.index(step, index)) }
    public func key(_ key: String) -> FieldPath { FieldPath(.key(step, key)) }

    public var description: String { Self.text(step) }

    private static func text(_ step: Step) -> String {
        switch step {
        case .root(let text): return text
        case .child(let parent, let name):
            let parent = text(parent)
            return parent.isEmpty ? name : "\(parent).\(name)"
        case .index(let parent, let index): return "\(text(parent))[\(index)]"
        case .key(let parent, let key): return "\(text(parent))[\(key)]"
        }
    }

    public static func == (left: FieldPath, right: FieldPath) -> Bool { left.description == right.description }
    public func hash(into hasher: inout Hasher) { hasher.combine(description) }

    public static let metadata = FieldPath("metadata")
    public static let spec = FieldPath("spec")
    public static let status = FieldPath("status")
}
