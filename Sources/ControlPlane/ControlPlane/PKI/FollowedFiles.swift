public import Logging

/// Files that someone else renews, taken up when what they hold changes: certificates, their keys, kubeconfigs.
///
/// They are small and local, and looked at every few seconds: whoever renews them need not know who uses them.
public struct FollowedFiles: Sendable {
    private let paths: [String]
    private let clock: any CertificateClock
    private let logger: Logger

    static let period = Duration.seconds(5)

    public init(_ paths: [String], clock: any CertificateClock = SystemCertificateClock(), logger: Logger) {
        (self.paths, self.clock, self.logger) = (paths, clock, logger)
    }

    /// Runs until cancelled.
    /// - Parameter apply: takes up the files' texts, in the order of the paths: the first ones too, which may be newer than
    ///   what was read before. When it throws, what is in use stays, and the files are tried again: a certificate and its key
    ///   are written one after the other.
    public func run(_ apply: @Sendable ([String]) throws -> Void) async {
        var known: [String]?
        var complaint: String?
        repeat {
            do {
                let texts = try paths.map { path in
                    guard let text = try PrivateFiles.read(path) else { throw PKIError("expected \(path), found no such file") }
                    return text
                }
                if texts != known {
                    try apply(texts)
                    if known != nil { logger.info("took up the renewed \(paths.joined(separator: ", "))") }
                    known = texts
                }
                complaint = nil
            } catch {
                let text = "\(error)"
                if complaint != text { logger.warning("cannot take up \(paths.joined(separator: ", ")) yet: \(text)") }
                complaint = text
            }
        } while (try? await clock.sleep(for: Self.period)) != nil  // Only cancellation ends a sleep early.
    }
}
