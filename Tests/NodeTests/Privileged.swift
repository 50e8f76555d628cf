import Glibc
import Testing

/// Suites that make namespaces, mounts and cgroups: skipped without root, so that `swift test` is of use to everybody. The
/// privileged lanes set `SWIFTLET_PRIVILEGED=1`, and there a test that would be skipped fails instead.
extension Trait where Self == ConditionTrait {
    static var privileged: ConditionTrait { .enabled("needs root: run 'sudo make test'") { try Privilege.isGiven() } }
}

enum Privilege {
    struct Missing: Error, CustomStringConvertible {
        let description = "expected root because SWIFTLET_PRIVILEGED is set, found user \(geteuid())"
    }

    static func isGiven() throws -> Bool {
        if geteuid() == 0 { return true }
        // Thrown, not false: a suite whose condition cannot be told is an issue.
        if getenv("SWIFTLET_PRIVILEGED") != nil { throw Missing() }
        return false
    }
}
