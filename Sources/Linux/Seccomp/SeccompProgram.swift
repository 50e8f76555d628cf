internal import CSeccomp
internal import Glibc
internal import LinuxSystem

/// A compiled profile: classic BPF, an array of `struct sock_filter` (8 bytes each) in the machine's byte order, ready for
/// `seccomp(SECCOMP_SET_MODE_FILTER)`.
public struct SeccompProgram: Sendable, Hashable {
    public let bytes: [UInt8]
    public var instructionCount: Int { bytes.count / 8 }

    /// Compiles for the running architecture and the ones it can also execute (x86_64: i386 and x32).
    /// - Throws: ``SeccompError``
    public init(compiling profile: SeccompProfile) throws(SeccompError) {
        guard let context = seccomp_init(profile.defaultAction.value) else {
            throw SeccompError(.libraryRefused, "seccomp_init refused the default action \(profile.defaultAction)")
        }
        defer { seccomp_release(context) }
        for architecture in Self.additionalArchitectures {
            try Self.check(seccomp_arch_add(context, architecture), "seccomp_arch_add \(architecture)")
        }
        // A balanced tree over the call numbers instead of a chain: the kernel walks 9 comparisons, not 300.
        try Self.check(seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2), "seccomp_attr_set CTL_OPTIMIZE")
        for rule in profile.rules where rule.action != profile.defaultAction {
            for name in rule.names {
                let number = seccomp_syscall_resolve_name(name)
                // A name that this libseccomp does not know cannot be allowed; the call ends in ENOSYS below.
                guard number != -1 else { continue }
                let conditions = rule.conditions.map(\.libraryForm)
                try Self.check(
                    seccomp_rule_add_array(context, rule.action.value, number, UInt32(conditions.count), conditions), "seccomp_rule_add \(name)")
            }
        }
        let program = try Self.newCallsFail() + Self.export(context)
        guard program.count / 8 <= 4096 else {
            throw SeccompError(.tooLong, "expected at most 4096 instructions, found \(program.count / 8)")
        }
        bytes = program
    }

    private static func check(_ result: Int32, _ operation: String) throws(SeccompError) {
        guard result == 0 else {
            throw SeccompError(.libraryRefused, "\(operation): \(String(cString: strerror(-result)))")
        }
    }

    /// libseccomp 2.5 writes to descriptors only.
    private static func export(_ context: scmp_filter_ctx) throws(SeccompError) -> [UInt8] {
        do {
            let file = try Descriptors.memory("seccomp", sealable: false)
            try check(seccomp_export_bpf(context, file.raw), "seccomp_export_bpf")
            // A second open of the memfd starts at its beginning.
            let bytes = try Files.read("/proc/self/fd/\(file.raw)")
            guard !bytes.isEmpty, bytes.count % 8 == 0 else {
                throw SeccompError(.export, "expected whole instructions, found \(bytes.count) bytes")
            }
            return bytes
        } catch let error as SeccompError {
            throw error
        } catch {
            throw SeccompError(.export, "export the program: \(error)", cause: error)
        }
    }
}

// MARK: The prologue

extension SeccompProgram {
    /// One classic BPF instruction.
    struct Instruction {
        var code: UInt16
        var jumpTrue: UInt8 = 0
        var jumpFalse: UInt8 = 0
        var value: UInt32

        static func load(_ offset: UInt32) -> Instruction { .init(code: 0x20, value: offset) }
        static func equal(_ value: UInt32, then: UInt8, else other: UInt8) -> Instruction { .init(code: 0x15, jumpTrue: then, jumpFalse: other, value: value) }
        static func greater(_ value: UInt32, then: UInt8, else other: UInt8) -> Instruction { .init(code: 0x25, jumpTrue: then, jumpFalse: other, value: value) }
        static func atLeast(_ value: UInt32, then: UInt8, else other: UInt8) -> Instruction { .init(code: 0x35, jumpTrue: then, jumpFalse: other, value: value) }
        static func jump(_ count: UInt32) -> Instruction { .init(code: 0x05, value: count) }
        static func answer(_ value: UInt32) -> Instruction { .init(code: 0x06, value: value) }

        func write(into bytes: inout [UInt8]) {
            withUnsafeBytes(of: code) { bytes.append(contentsOf: $0) }
            bytes.append(jumpTrue)
            bytes.append(jumpFalse)
            withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
        }
    }

    /// ENOSYS for every number above those libseccomp has a name for.
    ///
    /// A profile's default of EPERM would make a C library built for a newer kernel give up where ENOSYS makes it fall back.
    /// libseccomp has one default for all, so these instructions run before its own.
    private static func newCallsFail() -> [UInt8] {
        let architectures = [seccomp_arch_native()] + additionalArchitectures
        // x32 shares its audit value with x86_64 and marks its numbers with bit 30; those go to libseccomp's part.
        let limits = architectures.filter { $0 != x32 }.map { (architecture: $0, last: lastKnownCall(of: $0)) }
        var instructions = [Instruction.load(4)]
        for (index, limit) in limits.enumerated() {
            let blocksAfter = UInt32(limits.count - index - 1)
            instructions += [
                .equal(limit.architecture, then: 0, else: 5),
                .load(0),
                .atLeast(0x4000_0000, then: 1, else: 0),
                .greater(limit.last, then: 1, else: 0),
                .jump(1 + blocksAfter * 6),
                .answer(SeccompProfile.Action.errno(ENOSYS).value),
            ]
        }
        var bytes: [UInt8] = []
        instructions.forEach { $0.write(into: &bytes) }
        return bytes
    }

    /// The highest number with a name in libseccomp's table. Numbers are dense and below 1024 on every architecture it has.
    static func lastKnownCall(of architecture: UInt32) -> UInt32 {
        for number in stride(from: Int32(1023), through: 0, by: -1) {
            guard let name = seccomp_syscall_resolve_num_arch(architecture, number) else { continue }
            free(name)
            return UInt32(number)
        }
        return 0
    }

    /// `SCMP_ARCH_X32`: EM_X86_64 with the little-endian bit, without the 64-bit one.
    private static let x32: UInt32 = 0x4000_003e

    #if arch(x86_64)
    private static let additionalArchitectures: [UInt32] = [0x4000_0003, x32]
    #elseif arch(arm64)
    private static let additionalArchitectures: [UInt32] = [0x4000_0028]
    #else
    private static let additionalArchitectures: [UInt32] = []
    #endif
}

extension SeccompProfile.Action {
    /// The value a filter returns to the kernel.
    var value: UInt32 {
        switch self {
        case .allow: 0x7fff_0000
        case .errno(let number): 0x0005_0000 | UInt32(truncatingIfNeeded: number) & 0xffff
        case .killProcess: 0x8000_0000
        case .log: 0x7ffc_0000
        }
    }
}

extension SeccompProfile.Condition {
    fileprivate var libraryForm: scmp_arg_cmp {
        switch comparison {
        case .equal: scmp_arg_cmp(arg: argument, op: SCMP_CMP_EQ, datum_a: value, datum_b: 0)
        case .notEqual: scmp_arg_cmp(arg: argument, op: SCMP_CMP_NE, datum_a: value, datum_b: 0)
        case .less: scmp_arg_cmp(arg: argument, op: SCMP_CMP_LT, datum_a: value, datum_b: 0)
        case .lessOrEqual: scmp_arg_cmp(arg: argument, op: SCMP_CMP_LE, datum_a: value, datum_b: 0)
        case .greater: scmp_arg_cmp(arg: argument, op: SCMP_CMP_GT, datum_a: value, datum_b: 0)
        case .greaterOrEqual: scmp_arg_cmp(arg: argument, op: SCMP_CMP_GE, datum_a: value, datum_b: 0)
        case .maskedEqual(let mask): scmp_arg_cmp(arg: argument, op: SCMP_CMP_MASKED_EQ, datum_a: mask, datum_b: value)
        }
    }
}
