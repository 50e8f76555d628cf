/// What a reader of JSON accepts from whoever wrote it.
public struct JSONLimits: Sendable {
    public enum DuplicateKeys: Sendable {
        /// A key that comes twice is an error.
        case refuse
        /// The last value counts; the parser lists the path of each such key.
        case keepLast
    }

    /// How deep arrays and objects may be nested. The parser is recursive, so this bounds its stack.
    public var maxDepth: Int
    /// How many bytes the text may have.
    public var maxBytes: Int
    public var duplicateKeys: DuplicateKeys

    public init(maxDepth: Int = 512, maxBytes: Int = 256 << 20, duplicateKeys: DuplicateKeys = .refuse) {
        self.maxDepth = maxDepth
        self.maxBytes = maxBytes
        self.duplicateKeys = duplicateKeys
    }

    public static let `default` = JSONLimits()

    /// The body of an API request: 3 MiB, as kube-apiserver has it; duplicate keys are reported, not refused, since
    /// the request's `fieldValidation` decides on them.
    public static let request = JSONLimits(maxBytes: 3 << 20, duplicateKeys: .keepLast)
}
