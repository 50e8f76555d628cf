import KubeClient

extension KubeError {
    /// Nothing can be made in the namespace any more, since it is being deleted; whoever wanted it there no longer does.
    var isNamespaceTerminating: Bool { details?.causes.contains { $0.reason == "NamespaceTerminating" } == true }
}

/// For writes to an object that may be gone: then there is nothing left to write to.
func ignoringNotFound(_ body: () async throws -> Void) async throws {
    do { try await body() } catch let error as KubeError where error.isNotFound {}
}
