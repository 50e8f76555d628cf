internal import CLinux
internal import Glibc
internal import LinuxSystem
internal import Synchronization

/// v2 has no files for devices: a BPF program of type CGROUP_DEVICE is asked for every open and mknod.
enum DeviceProgram {
    /// One eBPF instruction (`struct bpf_insn`, 8 bytes).
    struct Instruction: Hashable {
        var code: UInt8
        /// Destination in the low four bits, source in the high.
        var registers: UInt8
        var offset: Int16
        var value: Int32

        init(_ code: UInt8, _ destination: UInt8 = 0, _ source: UInt8 = 0, offset: Int16 = 0, value: Int32 = 0) {
            (self.code, registers, self.offset, self.value) = (code, source << 4 | destination, offset, value)
        }
    }

    /// The program that answers 1 to what a rule allows and 0 to the rest.
    ///
    /// Its argument (r1) is `struct bpf_cgroup_dev_ctx`: access and type in one word, major, minor. In the program r2 is the
    /// type, r3 the access, r4 the major, r5 the minor.
    static func assemble(_ rules: [DeviceRule]) -> [Instruction] {
        var program: [Instruction] = [
            Instruction(0x61, 2, 1, offset: 0),  // r2 = *(u32 *)(r1 + 0)
            Instruction(0xbc, 3, 2),  // w3 = w2
            Instruction(0x54, 2, value: 0xffff),  // w2 &= 0xffff
            Instruction(0x74, 3, value: 16),  // w3 >>= 16
            Instruction(0x61, 4, 1, offset: 4),  // r4 = major
            Instruction(0x61, 5, 1, offset: 8),  // r5 = minor
        ]
        for rule in rules {
            program += block(rule)
            // Nothing after a rule for everything can be reached, and the verifier refuses unreachable code.
            if block(rule).count == 2 { return program }
        }
        program += [Instruction(0xb7, 0, value: 0), Instruction(0x95)]  // r0 = 0; exit
        return program
    }

    /// `if the request is within the rule { return 1 }`
    private static func block(_ rule: DeviceRule) -> [Instruction] {
        var tests: [Instruction] = []  // the last of each pair jumps to the next rule; its offset is filled in below
        switch rule.kind {
        case .all: break
        case .block: tests.append(Instruction(0x55, 2, value: 1))  // if r2 != BPF_DEVCG_DEV_BLOCK
        case .character: tests.append(Instruction(0x55, 2, value: 2))  // if r2 != BPF_DEVCG_DEV_CHAR
        }
        if rule.access != .all {
            tests.append(Instruction(0xbc, 1, 3))  // w1 = w3
            tests.append(Instruction(0x54, 1, value: Int32(rule.access.rawValue)))  // w1 &= access
            tests.append(Instruction(0x5d, 1, 3))  // if r1 != r3
        }
        if let major = rule.major { tests.append(Instruction(0x55, 4, value: Int32(bitPattern: major))) }
        if let minor = rule.minor { tests.append(Instruction(0x55, 5, value: Int32(bitPattern: minor))) }
        let answer = [Instruction(0xb7, 0, value: 1), Instruction(0x95)]  // r0 = 1; exit
        for index in tests.indices where tests[index].code == 0x55 || tests[index].code == 0x5d {
            tests[index].offset = Int16(tests.count - index - 1 + answer.count)
        }
        return tests + answer
    }

    static func bytes(_ program: [Instruction]) -> [UInt8] {
        var bytes: [UInt8] = []
        for instruction in program {
            bytes.append(instruction.code)
            bytes.append(instruction.registers)
            withUnsafeBytes(of: instruction.offset) { bytes.append(contentsOf: $0) }
            withUnsafeBytes(of: instruction.value) { bytes.append(contentsOf: $0) }
        }
        return bytes
    }

    // MARK: bpf(2)

    /// Makes `rules` the one program of the cgroup: all attached programs must say yes, so an older one would stay in force.
    static func attach(_ rules: [DeviceRule], to directory: String) throws(SystemError) {
        let cgroup = try openFile(directory, [.readOnly, .directory])
        let old = try attached(to: cgroup, directory)
        let allowsEverything = rules.contains { $0.kind == .all && $0.major == nil && $0.minor == nil && $0.access == .all }
        if !allowsEverything {
            let program = try loaded(rules)
            // BPF_F_ALLOW_MULTI: a container manager inside may add programs of its own below.
            try call("BPF_PROG_ATTACH", 8, directory, [UInt32(cgroup.raw), UInt32(program.raw), deviceAttachment, 2, 0])
        }
        for id in old {
            let program = try descriptor(of: id, directory)
            try call("BPF_PROG_DETACH", 9, directory, [UInt32(cgroup.raw), UInt32(program.raw), deviceAttachment, 0, 0])
        }
    }

    /// True if this process may load such programs, and the kernel has them.
    static let isSupported = (try? load(assemble(DeviceRule.everything))) != nil // whatever the reason: v1's files do it then

    /// Attaches a program that allows everything. While any program is attached anywhere, attaching and removing others does
    /// not make the kernel patch its code, which interrupts every CPU.
    static func hold(in directory: String) throws(SystemError) {
        let cgroup = try openFile(directory, [.readOnly, .directory])
        guard try attached(to: cgroup, directory).isEmpty else { return }
        let program = try loaded(DeviceRule.everything)
        try call("BPF_PROG_ATTACH", 8, directory, [UInt32(cgroup.raw), UInt32(program.raw), deviceAttachment, 2, 0])
    }

    /// BPF_CGROUP_DEVICE
    private static let deviceAttachment: UInt32 = 6

    /// Programs of rules that were used before: nearly every container has the same, and the kernel takes a tenth of a
    /// millisecond to verify one. They stay loaded as long as this process lives.
    private static let known = Mutex<[[DeviceRule]: FileDescriptor]>([:])

    private static func loaded(_ rules: [DeviceRule]) throws(SystemError) -> FileDescriptor {
        if let program = known.withLock({ $0[rules] }) { return program }
        let program = try load(assemble(rules))
        known.withLock { known in
            if known.count >= 16 { known = [:] }
            known[rules] = program
        }
        return program
    }

    private static func load(_ program: [Instruction]) throws(SystemError) -> FileDescriptor {
        let bytes = bytes(program)
        let license = Array("Apache-2.0\0".utf8)
        let result = try systemCall("bpf BPF_PROG_LOAD") {
            bytes.withUnsafeBytes { code in
                license.withUnsafeBytes { license in
                    var attribute = [UInt64](repeating: 0, count: 16)
                    attribute[0] = 15 | UInt64(program.count) << 32  // BPF_PROG_TYPE_CGROUP_DEVICE, instruction count
                    attribute[1] = UInt64(UInt(bitPattern: code.baseAddress))
                    attribute[2] = UInt64(UInt(bitPattern: license.baseAddress))
                    return attribute.withUnsafeBytes { rawCall(Int32(SYS_bpf), 5, Int(bitPattern: $0.baseAddress), $0.count) }
                }
            }
        }
        return FileDescriptor(owning: Int32(result))
    }

    /// The ids of the programs attached to this very cgroup.
    private static func attached(to cgroup: FileDescriptor, _ path: String) throws(SystemError) -> [UInt32] {
        var ids = [UInt32](repeating: 0, count: 64)
        var attribute = [UInt64](repeating: 0, count: 16)
        let result = ids.withUnsafeMutableBytes { ids in
            attribute[0] = UInt64(UInt32(cgroup.raw)) | UInt64(deviceAttachment) << 32
            attribute[2] = UInt64(UInt(bitPattern: ids.baseAddress))
            attribute[3] = 64
            return attribute.withUnsafeMutableBytes { rawCall(Int32(SYS_bpf), 16, Int(bitPattern: $0.baseAddress), $0.count) }
        }
        _ = try systemCall("bpf BPF_PROG_QUERY", path: path) { result }
        return Array(ids.prefix(Int(attribute[3] & 0xffff_ffff)))
    }

    private static func descriptor(of id: UInt32, _ path: String) throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: Int32(try call("BPF_PROG_GET_FD_BY_ID", 13, path, [id, 0, 0, 0])))
    }

    @discardableResult
    private static func call(_ operation: String, _ command: Int, _ path: String, _ words: [UInt32]) throws(SystemError) -> Int {
        var attribute = [UInt32](repeating: 0, count: 32)
        attribute.replaceSubrange(0..<words.count, with: words)
        return try systemCall("bpf \(operation)", path: path) {
            attribute.withUnsafeBytes { rawCall(Int32(SYS_bpf), command, Int(bitPattern: $0.baseAddress), $0.count) }
        }
    }
}
