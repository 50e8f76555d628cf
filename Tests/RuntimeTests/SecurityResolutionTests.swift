import Cgroups
@testable import Runtime
import Testing

@Suite struct SecurityResolutionTests {
    private static let defaults: Set = [
        "CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT",
        "KILL", "AUDIT_WRITE",
    ]

    private static func names(add: [String] = [], drop: [String] = [], privileged: Bool = false, last: Int = 40) throws -> Set<String> {
        Set(try CapabilitySet.resolve(SecurityConfiguration(privileged: privileged, addCapabilities: add, dropCapabilities: drop), available: .all(last: last)).names)
    }

    @Test func capabilityTable() throws {
        let all = Set(CapabilitySet.names)
        #expect(try Self.names() == Self.defaults)
        #expect(try Self.names(add: ["NET_ADMIN"]) == Self.defaults.union(["NET_ADMIN"]))
        #expect(try Self.names(drop: ["NET_RAW"]) == Self.defaults.subtracting(["NET_RAW"]))
        #expect(try Self.names(drop: ["ALL"]).isEmpty)
        #expect(try Self.names(add: ["NET_BIND_SERVICE"], drop: ["ALL"]) == ["NET_BIND_SERVICE"])
        #expect(try Self.names(add: ["ALL"]) == all)
        #expect(try Self.names(add: ["ALL"], drop: ["SYS_ADMIN"]) == all.subtracting(["SYS_ADMIN"]))
        #expect(try Self.names(add: ["CHOWN"], drop: ["CHOWN"]) == Self.defaults.subtracting(["CHOWN"]))
        #expect(try Self.names(drop: ["ALL"], privileged: true) == all)
    }

    @Test func capabilitiesOfTheKernelOnly() throws {
        #expect(try Self.names(add: ["BPF"], last: 37) == Self.defaults)
        #expect(try Self.names(privileged: true, last: 37).contains("AUDIT_READ"))
        #expect(try !Self.names(privileged: true, last: 37).contains("PERFMON"))
        #expect(CapabilitySet.names.count == 41)
        #expect(CapabilitySet.containerDefault.bits == 0xa804_25fb, "the mask that /proc/self/status shows in a container of containerd")
    }

    @Test(arguments: ["CAP_NET_ADMIN", "net_admin", "NONSENSE", ""])
    func unknownCapabilities(name: String) {
        let error = #expect(throws: RuntimeError.self) { try Self.names(add: [name]) }
        #expect(error?.code == .invalidConfiguration)
        #expect(error?.message.contains("\"\(name)\"") == true)
    }

    private static let accounts = AccountFiles(
        passwd: Array("root:x:0:0:root:/root:/bin/sh\n# comment\nnginx:x:101:102:nginx:/var/cache/nginx:/sbin/nologin\n1000:x:7:8::/odd:\nbad:x:abc:1::/:\nhuge:x:4294967295:0::/:\n".utf8),
        group: Array("root:x:0:\nadm:x:4:nginx,other\nnginx:x:102:\ntty:x:5:nginx\nbroken\n".utf8))

    private static func identity(_ image: String, user: UInt32? = nil, group: UInt32? = nil, groups: [UInt32] = []) throws -> Identity {
        try Identity.resolve(SecurityConfiguration(user: user, group: group, supplementalGroups: groups), imageUser: image, accounts: accounts)
    }

    @Test func identityTable() throws {
        #expect(try Self.identity("") == Identity(uid: 0, gid: 0, groups: [0], home: "/root"))
        #expect(try Self.identity("nginx") == Identity(uid: 101, gid: 102, groups: [102, 4, 5], home: "/var/cache/nginx"))
        #expect(try Self.identity("101") == Identity(uid: 101, gid: 102, groups: [102, 4, 5], home: "/var/cache/nginx"))
        #expect(try Self.identity("nginx:adm") == Identity(uid: 101, gid: 4, groups: [4, 5], home: "/var/cache/nginx"))
        #expect(try Self.identity("5000:6000") == Identity(uid: 5000, gid: 6000, groups: [6000], home: "/"))
        #expect(try Self.identity("5000") == Identity(uid: 5000, gid: 0, groups: [0], home: "/"))
        #expect(try Self.identity("1000") == Identity(uid: 7, gid: 8, groups: [8], home: "/odd"), "an account called 1000")
        #expect(try Self.identity("nginx", user: 0) == Identity(uid: 0, gid: 0, groups: [0], home: "/root"))
        #expect(try Self.identity("nginx", user: 101, group: 50, groups: [4, 77]) == Identity(uid: 101, gid: 50, groups: [50, 4, 5, 77], home: "/var/cache/nginx"))
    }

    @Test(arguments: [("ghost", "unable to find user ghost: no matching entries in passwd file"), ("0:ghost", "unable to find group ghost: no matching entries in group file"),
                      ("4294967295", "user id 4294967295 is out of range"), ("99999999999", "user id 99999999999 is out of range"),
                      ("0:4294967296", "group id 4294967296 is out of range"), ("huge", "id of user huge"), ("-1", "unable to find user -1"), ("bad", "unable to find user bad")])
    func refusedIdentities(user: String, message: String) {
        let error = #expect(throws: RuntimeError.self) { try Self.identity(user) }
        #expect(error?.message.contains(message) == true, "\(String(describing: error))")
    }

    @Test func imagesWithoutAccountFiles() throws {
        let none = AccountFiles(passwd: nil, group: nil)
        #expect(try Identity.resolve(SecurityConfiguration(user: 1000), imageUser: "", accounts: none) == Identity(uid: 1000, gid: 0, groups: [0], home: "/"))
        #expect(throws: RuntimeError.self) { try Identity.resolve(SecurityConfiguration(), imageUser: "nobody", accounts: none) }
    }

    @Test func kernelSurface() {
        #expect(Set(KernelSurface.maskedPaths(SecurityConfiguration())) == [
            "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
            "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
        ])
        #expect(Set(KernelSurface.readOnlyPaths(SecurityConfiguration())) == ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"])
        #expect(KernelSurface.maskedPaths(SecurityConfiguration(privileged: true)).isEmpty)
        #expect(KernelSurface.readOnlyPaths(SecurityConfiguration(maskPaths: false)).isEmpty)
        #expect(KernelSurface.deviceRules(SecurityConfiguration()) == DeviceRule.containerDefaults)
        #expect(KernelSurface.deviceRules(SecurityConfiguration(privileged: true)) == DeviceRule.everything)
    }
}
