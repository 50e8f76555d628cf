import Glibc

/// What the machine says of itself, read once when the agent starts.
struct MachineFacts: Sendable, Hashable {
    var cpus: Int
    /// Bytes.
    var memory: Int64
    /// Bytes and inodes of the file system that holds the data directory.
    var storage: Int64
    var maximumProcesses: Int64
    var kernelVersion: String
    var osImage: String
    var machineID: String
    var systemUUID: String
    var bootID: String
    /// As Go spells it: `amd64`, `arm64`.
    var architecture: String

    /// - Parameters:
    ///   - proc, etc, sys: roots of the file systems, replaced in tests.
    init(dataDirectory: String, proc: String = "/proc", etc: String = "/etc", sys: String = "/sys") throws {
        cpus = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        guard let meminfo = HostFiles.text(proc + "/meminfo"), let memory = Self.memoryTotal(meminfo) else {
            throw KubeletError(.configuration, "expected MemTotal in \(proc)/meminfo, found none")
        }
        self.memory = memory
        var space = statvfs()
        guard statvfs(dataDirectory, &space) == 0 else { throw HostFiles.failure("statvfs", dataDirectory) }
        storage = Int64(space.f_blocks) * Int64(space.f_frsize)
        maximumProcesses = HostFiles.text(proc + "/sys/kernel/pid_max").flatMap { Int64(Self.trimmed($0)) } ?? 32768
        kernelVersion = Self.trimmed(HostFiles.text(proc + "/sys/kernel/osrelease") ?? "unknown")
        bootID = Self.trimmed(HostFiles.text(proc + "/sys/kernel/random/boot_id") ?? "")
        let release = HostFiles.text(etc + "/os-release") ?? HostFiles.text("/usr/lib/os-release") ?? ""
        osImage = Self.osImage(release)
        machineID = Self.trimmed(HostFiles.text(etc + "/machine-id") ?? "")
        systemUUID = Self.trimmed(HostFiles.text(sys + "/class/dmi/id/product_uuid") ?? "")
        if systemUUID.isEmpty { systemUUID = machineID }
        var names = utsname()
        uname(&names)
        let machine = withUnsafeBytes(of: &names.machine) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        architecture = ["x86_64": "amd64", "aarch64": "arm64"][machine] ?? machine
    }

    static func memoryTotal(_ meminfo: String) -> Int64? { field("MemTotal:", meminfo) }
    static func memoryAvailable(_ meminfo: String) -> Int64? { field("MemAvailable:", meminfo) }

    private static func field(_ name: String, _ meminfo: String) -> Int64? {
        for line in meminfo.split(separator: "\n") where line.hasPrefix(name) {
            return line.split(separator: " ").dropFirst().first.flatMap { Int64($0) }.map { $0 * 1024 }
        }
        return nil
    }

    static func osImage(_ release: String) -> String {
        for line in release.split(separator: "\n") where line.hasPrefix("PRETTY_NAME=") {
            return line.dropFirst("PRETTY_NAME=".count).filter { $0 != "\"" }
        }
        return "Linux"
    }

    static func trimmed(_ text: String) -> String { String(text.filter { !"\n\t ".contains($0) }) }
}
