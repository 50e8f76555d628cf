import Seccomp
import Testing

#if arch(x86_64)
/// Numbers are those of x86_64 (`arch/x86/entry/syscalls/syscall_64.tbl`).
@Suite struct RuntimeDefaultTests {
    let allow: UInt32 = 0x7fff_0000
    let refused: UInt32 = 0x0005_0001
    let unknown: UInt32 = 0x0005_0026

    func machine(_ capabilities: Set<String> = []) throws -> FilterMachine {
        FilterMachine(bytes: try SeccompProgram(compiling: .runtimeDefault(capabilities: capabilities)).bytes)
    }

    @Test(arguments: [0, 1, 3, 9, 16, 39, 41, 56 + 1, 59, 60, 202, 231, 257, 262, 288, 302, 318, 332, 334, 424, 434, 436, 437, 439, 441, 449] as [UInt32])
    func ordinaryCallsAreAllowed(number: UInt32) throws {
        #expect(try machine().answer(number) == allow)
    }

    @Test(arguments: [
        ("mount", 165), ("umount2", 166), ("pivot_root", 155), ("unshare", 272), ("setns", 308), ("bpf", 321), ("perf_event_open", 298),
        ("keyctl", 250), ("add_key", 248), ("request_key", 249), ("init_module", 175), ("finit_module", 313), ("kexec_load", 246), ("reboot", 169), ("swapon", 167),
        ("userfaultfd", 323), ("io_uring_setup", 425), ("open_by_handle_at", 304), ("acct", 163), ("settimeofday", 164), ("iopl", 172),
        ("open_tree", 428), ("move_mount", 429), ("fsopen", 430), ("mount_setattr", 442), ("chroot", 161), ("syslog", 103), ("quotactl", 179),
    ] as [(String, UInt32)])
    func privilegedCallsAreRefused(name: String, number: UInt32) throws {
        #expect(try machine().answer(number) == refused, "\(name)")
    }

    @Test func newerCallsDoNotExist() throws {
        let machine = try machine()
        for number: UInt32 in [468, 480, 500, 1000, 0x3fff_ffff] { #expect(try machine.answer(number) == unknown, "\(number)") }
        #expect(try machine.answer(470, architecture: FilterMachine.i386) == unknown)
    }

    @Test func negativeNumbersAreNotAllowed() throws {
        #expect(try machine().answer(0xffff_ffff) != allow)
    }

    @Test func otherArchitecturesAreKilled() throws {
        // AUDIT_ARCH_AARCH64 on x86: the numbers would mean other calls.
        #expect(try machine().answer(0, architecture: 0xc000_00b7) == 0)
    }

    @Test func namespacesCannotBeCloned() throws {
        let machine = try machine()
        #expect(try machine.answer(56, [0x0120_0011]) == allow)
        // pthread_create's flags.
        #expect(try machine.answer(56, [0x003d_0f00]) == allow)
        for flag: UInt64 in [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000] {
            #expect(try machine.answer(56, [flag | 17]) == refused, "\(flag)")
        }
        #expect(try machine.answer(435) == unknown, "clone3 hides its flags behind a pointer")
    }

    @Test func personalities() throws {
        let machine = try machine()
        for value: UInt64 in [0, 8, 0x20000, 0x20008, 0xffff_ffff] { #expect(try machine.answer(135, [value]) == allow) }
        #expect(try machine.answer(135, [0x0040_0000]) == refused, "ADDR_NO_RANDOMIZE")
    }

    @Test func socketsExceptThoseToTheHypervisor() throws {
        let machine = try machine()
        for family: UInt64 in [1, 2, 10, 16, 17] { #expect(try machine.answer(41, [family]) == allow) }
        #expect(try machine.answer(41, [40]) == refused)
    }

    @Test(arguments: [
        ("SYS_ADMIN", [165, 166, 272, 308, 428, 429, 430, 442, 435]), ("SYS_CHROOT", [161]), ("SYS_MODULE", [175, 176, 313]), ("SYS_TIME", [164, 227]),
        ("SYS_BOOT", [169]), ("SYS_PACCT", [163]), ("SYS_RAWIO", [172, 173]), ("BPF", [321]), ("PERFMON", [298]), ("SYSLOG", [103]),
        ("DAC_READ_SEARCH", [304]), ("SYS_PTRACE", [312, 438]), ("SYS_NICE", [237, 238, 239]), ("SYS_TTY_CONFIG", [153]),
    ] as [(String, [UInt32])])
    func capabilitiesOpenTheirCalls(capability: String, numbers: [UInt32]) throws {
        let without = try machine()
        let with = try machine([capability])
        for number in numbers {
            #expect(try without.answer(number) != allow, "\(number)")
            #expect(try with.answer(number) == allow, "\(number)")
        }
    }

    @Test func administratorsMayCloneNamespaces() throws {
        #expect(try machine(["SYS_ADMIN"]).answer(56, [0x1000_0011]) == allow)
    }

    @Test func thirtyTwoBitProgramsRun() throws {
        let machine = try machine()
        // i386: read 3, mount 21, socketcall 102.
        #expect(try machine.answer(3, architecture: FilterMachine.i386) == allow)
        #expect(try machine.answer(21, architecture: FilterMachine.i386) == refused)
        #expect(try machine.answer(102, [1, 0], architecture: FilterMachine.i386) == allow)
    }

    @Test func programsAreCachedByWhatChangesThem() throws {
        let compiler = SeccompCompiler()
        let first = try compiler.runtimeDefault(capabilities: ["CHOWN", "KILL"])
        #expect(try compiler.runtimeDefault(capabilities: []) == first)
        #expect(try compiler.runtimeDefault(capabilities: ["SYS_ADMIN"]) != first)
        #expect(first.instructionCount <= 4096)
    }
}
#endif
