internal import LinuxSystem

/// The number of processes and threads (pids.max, the same on v1 and v2).
enum PidsController {
    static func apply(_ resources: CgroupResources, in directory: String) throws(SystemError) {
        guard let limit = resources.pidsLimit else { return }
        try ControlFile.write(limit < 0 ? "max" : String(limit), to: directory + "/pids.max")
    }
}
