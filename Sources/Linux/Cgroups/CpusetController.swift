internal import LinuxSystem

/// CPUs and memory nodes (cpuset.cpus and cpuset.mems, the same on v1 and v2).
enum CpusetController {
    static func apply(_ resources: CgroupResources, in directory: String) throws(SystemError) {
        if let cpus = resources.cpusetCPUs { try ControlFile.write(cpus, to: directory + "/cpuset.cpus") }
        if let nodes = resources.cpusetMemoryNodes { try ControlFile.write(nodes, to: directory + "/cpuset.mems") }
    }

    /// A new v1 cpuset is empty and admits nobody until both lists are set: take the parent's.
    static func inherit(into directory: String) throws(SystemError) {
        let parent = directory[..<(directory.lastIndex(of: "/") ?? directory.startIndex)]
        for file in ["/cpuset.cpus", "/cpuset.mems"] {
            guard let own = try ControlFile.readIfPresent(directory + file), own.isEmpty else { continue }
            try ControlFile.write(try ControlFile.read(parent + file), to: directory + file)
        }
    }
}
