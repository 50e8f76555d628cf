internal import Glibc
internal import LinuxSystem

/// Memory and swap limits (v1 memory.limit_in_bytes, memory.memsw.*; v2 memory.max, memory.swap.max).
enum MemoryController {
    static func apply(_ resources: CgroupResources, in directory: String, _ version: CgroupRoot.Version) throws(SystemError) {
        switch version {
        case .v1: try applyV1(resources, in: directory)
        case .v2: try applyV2(resources, in: directory)
        }
    }

    private static func applyV1(_ resources: CgroupResources, in directory: String) throws(SystemError) {
        let limit = resources.memoryLimit.map { String(max($0, -1)) }
        let both = (resources.memorySwapLimit ?? resources.memoryLimit).map { String(max($0, -1)) }
        guard let limit else {
            if let both { _ = try ControlFile.writeIfPresent(both, to: directory + "/memory.memsw.limit_in_bytes") }
            return
        }
        // memory <= memory+swap must hold after every single write: raise the sum first, lower it last.
        do throws(SystemError) {
            try ControlFile.write(limit, to: directory + "/memory.limit_in_bytes")
            if let both { _ = try ControlFile.writeIfPresent(both, to: directory + "/memory.memsw.limit_in_bytes") }
        } catch {
            guard error.errno == EINVAL, let both else { throw error }
            guard try ControlFile.writeIfPresent(both, to: directory + "/memory.memsw.limit_in_bytes") else { throw error }
            try ControlFile.write(limit, to: directory + "/memory.limit_in_bytes")
        }
    }

    private static func applyV2(_ resources: CgroupResources, in directory: String) throws(SystemError) {
        if let swap = swapMaximum(resources) { _ = try ControlFile.writeIfPresent(swap, to: directory + "/memory.swap.max") }
        if let limit = resources.memoryLimit { try ControlFile.write(limit < 0 ? "max" : String(limit), to: directory + "/memory.max") }
        if let group = resources.killsWholeGroupOnOOM { _ = try ControlFile.writeIfPresent(group ? "1" : "0", to: directory + "/memory.oom.group") }
    }

    /// v2 counts swap alone. Nil: leave it.
    static func swapMaximum(_ resources: CgroupResources) -> String? {
        guard let both = resources.memorySwapLimit else {
            return resources.memoryLimit.map { $0 < 0 ? "max" : "0" }
        }
        if both < 0 { return "max" }
        guard let limit = resources.memoryLimit, limit >= 0 else { return nil }
        return String(max(both - limit, 0))
    }
}
