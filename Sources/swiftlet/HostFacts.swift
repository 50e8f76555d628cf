import Glibc
import LinuxSystem

/// The host's name, as Kubernetes names nodes: in lower case.
enum HostName {
    static func read() throws -> String {
        let name = try Files.readString("/proc/sys/kernel/hostname").split(separator: "\n").first.map { $0.lowercased() } ?? ""
        guard !name.isEmpty, name != "(none)" else { throw Failure("the host has no name: set one with hostnamectl, or pass --node-name") }
        return name
    }
}

/// The address that others reach this host at.
enum NodeAddress {
    /// The source address of the default route; without one, the first address of a link that is up; at last loopback.
    static func detect() -> String {
        // Connecting a datagram socket sends nothing: the kernel only looks up the route and picks the source.
        for target in ["192.0.2.1", "2001:db8::1"] {
            if let address = source(towards: target) { return address }
        }
        return firstAddress() ?? "127.0.0.1"
    }

    private static func source(towards target: String) -> String? {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(target, "9", &hints, &found) == 0, let info = found else { return nil }
        defer { freeaddrinfo(found) }
        let descriptor = FileDescriptor(owning: socket(info.pointee.ai_family, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
        guard descriptor.raw >= 0, connect(descriptor.raw, info.pointee.ai_addr, info.pointee.ai_addrlen) == 0 else { return nil }
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &address) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                getsockname(descriptor.raw, pointer, &length) == 0 ? text(pointer, length) : nil
            }
        }
    }

    private static func firstAddress() -> String? {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&list) == 0 else { return nil }
        defer { freeifaddrs(list) }
        var next = list
        while let entry = next {
            next = entry.pointee.ifa_next
            let flags = Int32(bitPattern: entry.pointee.ifa_flags)
            guard flags & Int32(IFF_UP) != 0, flags & Int32(IFF_LOOPBACK) == 0, let address = entry.pointee.ifa_addr,
                  address.pointee.sa_family == sa_family_t(AF_INET) else { continue }
            if let found = text(address, socklen_t(MemoryLayout<sockaddr_in>.size)) { return found }
        }
        return nil
    }

    private static func text(_ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> String? {
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        guard getnameinfo(address, length, &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST) == 0 else { return nil }
        return String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
