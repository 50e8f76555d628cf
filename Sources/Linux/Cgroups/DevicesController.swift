internal import LinuxSystem

/// Which devices may be used: v1 by a list of files, v2 by a BPF program.
enum DevicesController {
    static func apply(_ resources: CgroupResources, in directory: String, _ version: CgroupRoot.Version) throws(SystemError) {
        guard let rules = resources.devices else { return }
        switch version {
        case .v1:
            // One write is one rule, but the file need not be opened for each.
            var open: [String: FileDescriptor] = [:]
            for command in commands(rules) {
                let path = "\(directory)/\(command.file)"
                let file = if let file = open[path] { file } else { try openFile(path, .writeOnly) }
                open[path] = file
                do throws(SystemError) { try file.writeAll(Array(command.value.utf8)) } catch {
                    throw SystemError(operation: "write \"\(command.value)\" to", errno: error.errno, path: path)
                }
            }
        case .v2:
            try DeviceProgram.attach(rules, to: directory)
        }
    }

    /// The writes that leave exactly `rules` allowed. `a` in devices.deny first forgets what the parent gave.
    static func commands(_ rules: [DeviceRule]) -> [(file: String, value: String)] {
        if rules.contains(where: { $0.kind == .all && $0.access == .all }) { return [("devices.allow", "a")] }
        return [("devices.deny", "a")] + rules.map { ("devices.allow", line($0)) }
    }

    /// `c 1:3 rwm`
    static func line(_ rule: DeviceRule) -> String {
        let major = rule.major.map { String($0) } ?? "*"
        let minor = rule.minor.map { String($0) } ?? "*"
        let access = (rule.access.contains(.read) ? "r" : "") + (rule.access.contains(.write) ? "w" : "") + (rule.access.contains(.mknod) ? "m" : "")
        return "\(rule.kind.rawValue) \(major):\(minor) \(access)"
    }
}
