import Glibc

/// Measures what the node has left.
struct PressureMonitor: Sendable {
    var dataDirectory: String
    var proc = "/proc"

    func measure() -> NodeConditions.Pressure {
        var pressure = NodeConditions.Pressure()
        if let available = HostFiles.text(proc + "/meminfo").flatMap(MachineFacts.memoryAvailable) {
            pressure.memory = available < NodeConditions.memoryThreshold
        }
        var space = statvfs()
        if statvfs(dataDirectory, &space) == 0, space.f_blocks > 0 {
            pressure.disk = Double(space.f_bavail) / Double(space.f_blocks) < NodeConditions.diskThreshold
                || (space.f_files > 0 && Double(space.f_favail) / Double(space.f_files) < NodeConditions.inodeThreshold)
        }
        // The fourth field of loadavg is running/total of the kernel's tasks.
        if let load = HostFiles.text(proc + "/loadavg")?.split(separator: " "), load.count > 3,
            let tasks = load[3].split(separator: "/").last.flatMap({ Int64($0) }),
            let limit = HostFiles.text(proc + "/sys/kernel/pid_max").flatMap({ Int64(MachineFacts.trimmed($0)) }) {
            pressure.processes = tasks > limit * 9 / 10
        }
        return pressure
    }
}
