internal import Synchronization

/// Compiles profiles once. libseccomp needs milliseconds for a profile; a node has one or two.
public final class SeccompCompiler: Sendable {
    private let programs = Mutex<[SeccompProfile: SeccompProgram]>([:])
    private let defaults = Mutex<[Set<String>: SeccompProgram]>([:])

    public init() {}

    /// The program of a profile.
    /// - Throws: ``SeccompError``
    public func program(for profile: SeccompProfile) throws -> SeccompProgram {
        try programs.withLock { programs in
            if let known = programs[profile] { return known }
            let program = try SeccompProgram(compiling: profile)
            programs[profile] = program
            return program
        }
    }

    /// The program of ``SeccompProfile/runtimeDefault(capabilities:)``.
    /// - Parameter capabilities: the process's permitted set, names without `CAP_`.
    /// - Throws: ``SeccompError``
    public func runtimeDefault(capabilities: Set<String>) throws -> SeccompProgram {
        let significant = capabilities.intersection(SeccompProfile.significantCapabilities)
        return try defaults.withLock { defaults in
            if let known = defaults[significant] { return known }
            let program = try SeccompProgram(compiling: .runtimeDefault(capabilities: significant))
            defaults[significant] = program
            return program
        }
    }
}
