import Glibc
internal import LinuxSystem

/// Mounts on the machine the agent runs on.
struct HostMounter: VolumeMounter {
    func mountMemory(at path: String, size: Int64?, mode: UInt32) throws {
        var options = ["mode=\(String(mode, radix: 8))"]
        if let size { options.append("size=\(size)") }
        try Mounts.mount("tmpfs", at: path, type: "tmpfs", flags: [.noSetUID, .noDevices], data: options.joined(separator: ","))
    }

    func bind(descriptor: Int32, to path: String) throws {
        // The number is borrowed: the caller closes it.
        let borrowed = FileDescriptor(owning: descriptor)
        defer { _ = borrowed.release() }
        let tree = try Mounts.cloneTree("", at: borrowed, recursive: true)
        try Mounts.attach(tree, to: nil, path: path)
    }

    func unmountAll(under path: String) throws {
        // The kernel lists a mount after the one it lies on.
        for target in mountPoints().reversed() where target == path || target.hasPrefix(path + "/") {
            try Mounts.unmount(target, detach: true)
        }
    }

    func isMounted(_ path: String) -> Bool { mountPoints().contains(path) }

    private func mountPoints() -> [String] {
        // The thread's own: it may be in another mount namespace than the process.
        (HostFiles.text("/proc/thread-self/mountinfo") ?? "").split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ", maxSplits: 5)
            return fields.count > 4 ? Self.unescaped(fields[4]) : nil
        }
    }

    /// The kernel writes spaces, tabs, newlines and backslashes as three octal digits.
    static func unescaped(_ text: Substring) -> String {
        guard text.utf8.contains(0x5C) else { return String(text) }
        let bytes = Array(text.utf8)
        var output: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == 0x5C, index + 3 < bytes.count, let value = UInt8(String(decoding: bytes[(index + 1)...(index + 3)], as: UTF8.self), radix: 8) {
                output.append(value)
                index += 4
            } else {
                output.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}
