@testable import Cgroups
import LinuxSystem
import Testing

/// What the rules do, asked of both forms: the lines of v1 and a run of the BPF program of v2.
@Suite struct DeviceTests {
    /// Executes the subset of eBPF that the assembler emits.
    func run(_ program: [DeviceProgram.Instruction], type: UInt64, access: UInt64, major: UInt64, minor: UInt64) throws -> UInt64 {
        struct Wild: Error {}
        var registers = [UInt64](repeating: 0, count: 11)
        let context = [access << 16 | type, major, minor]
        var position = 0
        while position >= 0, position < program.count {
            let instruction = program[position]
            let (destination, source) = (Int(instruction.registers & 15), Int(instruction.registers >> 4))
            let value = UInt64(UInt32(bitPattern: instruction.value))
            position += 1
            switch instruction.code {
            case 0x61: registers[destination] = context[Int(instruction.offset) / 4]
            case 0xbc: registers[destination] = registers[source] & 0xffff_ffff
            case 0x54: registers[destination] &= value
            case 0x74: registers[destination] = registers[destination] >> value
            case 0xb7: registers[destination] = value
            case 0x55: if registers[destination] != value { position += Int(instruction.offset) }
            case 0x5d: if registers[destination] != registers[source] { position += Int(instruction.offset) }
            case 0x95: return registers[0]
            default: throw Wild()
            }
        }
        throw Wild()
    }

    let block: UInt64 = 1
    let character: UInt64 = 2
    let mknod: UInt64 = 1
    let read: UInt64 = 2
    let write: UInt64 = 4

    @Test func containerDefaults() throws {
        let program = DeviceProgram.assemble(DeviceRule.containerDefaults)
        for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (136, 0), (136, 77)] as [(UInt64, UInt64)] {
            #expect(try run(program, type: character, access: read | write, major: major, minor: minor) == 1, "\(major):\(minor)")
        }
        #expect(try run(program, type: block, access: mknod, major: 8, minor: 0) == 1, "nodes may be made")
        #expect(try run(program, type: block, access: read, major: 8, minor: 0) == 0, "but not opened")
        #expect(try run(program, type: block, access: mknod | read, major: 8, minor: 0) == 0)
        #expect(try run(program, type: character, access: read, major: 1, minor: 1) == 0, "/dev/mem")
        #expect(try run(program, type: block, access: read, major: 1, minor: 3) == 0, "a block device with the number of null")
        #expect(try run(program, type: character, access: write, major: 10, minor: 229) == 0, "/dev/fuse")
    }

    @Test func accessIsASubset() throws {
        let program = DeviceProgram.assemble([DeviceRule(.block, major: 8, minor: 0, access: .read)])
        #expect(try run(program, type: block, access: read, major: 8, minor: 0) == 1)
        #expect(try run(program, type: block, access: read | write, major: 8, minor: 0) == 0)
    }

    @Test func everythingEndsTheProgram() throws {
        let program = DeviceProgram.assemble([DeviceRule(.character, major: 1)] + DeviceRule.everything + DeviceRule.containerDefaults)
        #expect(try run(program, type: block, access: 7, major: 8, minor: 0) == 1)
        #expect(program.last?.code == 0x95)
        #expect(program.count == 6 + 4 + 2, "the verifier refuses what cannot be reached")
    }

    @Test func nothingAllowsNothing() throws {
        #expect(try run(DeviceProgram.assemble([]), type: character, access: read, major: 1, minor: 3) == 0)
    }

    @Test func exactBytes() {
        let bytes = DeviceProgram.bytes(DeviceProgram.assemble([DeviceRule(.character, major: 1, minor: 3)]))
        #expect(bytes == [
            0x61, 0x12, 0, 0, 0, 0, 0, 0,  // r2 = *(u32 *)(r1 + 0)
            0xbc, 0x23, 0, 0, 0, 0, 0, 0,  // w3 = w2
            0x54, 0x02, 0, 0, 0xff, 0xff, 0, 0,  // w2 &= 0xffff
            0x74, 0x03, 0, 0, 0x10, 0, 0, 0,  // w3 >>= 16
            0x61, 0x14, 4, 0, 0, 0, 0, 0,  // r4 = *(u32 *)(r1 + 4)
            0x61, 0x15, 8, 0, 0, 0, 0, 0,  // r5 = *(u32 *)(r1 + 8)
            0x55, 0x02, 4, 0, 2, 0, 0, 0,  // if r2 != 2 goto +4
            0x55, 0x04, 3, 0, 1, 0, 0, 0,  // if r4 != 1 goto +3
            0x55, 0x05, 2, 0, 3, 0, 0, 0,  // if r5 != 3 goto +2
            0xb7, 0x00, 0, 0, 1, 0, 0, 0,  // r0 = 1
            0x95, 0x00, 0, 0, 0, 0, 0, 0,  // exit
            0xb7, 0x00, 0, 0, 0, 0, 0, 0,  // r0 = 0
            0x95, 0x00, 0, 0, 0, 0, 0, 0,  // exit
        ])
    }

    @Test func versionOneLines() {
        #expect(DevicesController.commands([DeviceRule(.character, major: 136), DeviceRule(.block, access: .mknod)]).map { "\($0.file) \($0.value)" }
            == ["devices.deny a", "devices.allow c 136:* rwm", "devices.allow b *:* m"])
        #expect(DevicesController.commands(DeviceRule.everything).map { "\($0.file) \($0.value)" } == ["devices.allow a"])
    }
}
