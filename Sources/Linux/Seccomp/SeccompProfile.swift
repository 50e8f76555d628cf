/// What a process may ask of the kernel: rules over system calls, as the seccomp section of the OCI runtime specification has them.
///
/// A call that no rule allows fails with EPERM; a call that the kernel has and the profile's vocabulary does not (it is newer
/// than libseccomp's table) fails with ENOSYS, so that C libraries fall back to the older call.
public struct SeccompProfile: Sendable, Hashable {
    /// What the kernel does with a call.
    public enum Action: Sendable, Hashable {
        case allow
        /// The call fails with this errno.
        case errno(Int32)
        /// SIGSYS, with the default action of a core dump for the whole process.
        case killProcess
        /// The call is allowed and written to the audit log.
        case log
    }

    /// A test on one argument of the call; 64-bit, unsigned.
    public struct Condition: Sendable, Hashable {
        public enum Comparison: Sendable, Hashable {
            case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual
            /// `argument & mask == value`
            case maskedEqual(mask: UInt64)
        }
        /// Zero-based, 0 to 5.
        public var argument: UInt32
        public var comparison: Comparison
        public var value: UInt64
        public init(argument: UInt32, _ comparison: Comparison, _ value: UInt64) {
            (self.argument, self.comparison, self.value) = (argument, comparison, value)
        }
    }

    /// One rule: the named calls, when every condition holds, meet the action.
    public struct Rule: Sendable, Hashable {
        public var names: [String]
        public var action: Action
        public var conditions: [Condition]
        public init(_ names: [String], _ action: Action = .allow, when conditions: [Condition] = []) {
            (self.names, self.action, self.conditions) = (names, action, conditions)
        }
    }

    /// What happens to a call that no rule matches.
    public var defaultAction: Action
    public var rules: [Rule]

    public init(defaultAction: Action, rules: [Rule]) {
        (self.defaultAction, self.rules) = (defaultAction, rules)
    }
}
