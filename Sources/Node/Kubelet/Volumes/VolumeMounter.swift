/// The mounts a pod's volumes need on the host. A seam, so that volumes are tested without root.
///
/// Every mount lies under the pod's directory, which exists (and is found again at the next start) before the mount is made.
protocol VolumeMounter: Sendable {
    /// - Parameters:
    ///   - size: bytes; nil: the kernel's default, half of the memory.
    ///   - mode: permission bits of the root.
    func mountMemory(at path: String, size: Int64?, mode: UInt32) throws
    /// Binds what `descriptor` is open on, so that nothing can be swapped behind a checked path (CVE-2021-25741).
    func bind(descriptor: Int32, to path: String) throws
    /// Unmounts everything at or below `path`, the innermost first. Nothing there is no error.
    func unmountAll(under path: String) throws
    func isMounted(_ path: String) -> Bool
}
