import BlockingCalls
import Cgroups
import Images
import LinuxSystem
import Logging
import Seccomp
import ShimProtocol

/// What every sandbox of a node shares.
struct RuntimeServices: Sendable {
    let configuration: RuntimeConfiguration
    let directories: NodeDirectories
    let images: ImageStore
    let network: any SandboxNetwork
    let hub: RuntimeEventHub
    let ranges: UserNamespaceRanges
    let cleaner: HostCleaner
    /// Where shims run: made once, since a pod's start is no time to walk nine hierarchies.
    let shimCgroup: CgroupPlaces
    let shimProgram: ShimProgram
    let seccomp: SeccompCompiler
    let threads: BlockingThreads
    let host: HostAbilities
    let logger: Logger

    /// A value as `attribute: message` of the step in which it was thrown.
    func fail(_ code: RuntimeError.Code, _ step: String, _ error: any Error) -> RuntimeError {
        if let error = error as? RuntimeError { return error }
        let errno = (error as? SystemError)?.errno ?? (error as? CgroupError)?.cause?.errno ?? 0
        return RuntimeError(code, "\(step): \(error)", step: step, errno: errno)
    }

    /// Runs a step and names it in whatever it throws.
    func step<R>(_ code: RuntimeError.Code, _ name: String, _ body: () throws -> R) throws(RuntimeError) -> R {
        do { return try body() } catch { throw fail(code, name, error) }
    }

    /// ``step(_:_:_:)`` for what suspends.
    func step<R: Sendable>(_ code: RuntimeError.Code, _ name: String, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> R) async throws(RuntimeError) -> R {
        do { return try await body() } catch { throw fail(code, name, error) }
    }
}
