@testable import PodNetwork
import LinuxSystem
import Netlink
import Testing

@Suite struct LedgerTests {
    func withDirectory(_ body: (String) throws -> Void) throws {
        let path = "/tmp/swiftlet-ledger-\(UInt64.random(in: 0 ... .max))"
        defer {
            for entry in (try? Files.list(path)) ?? [] { try? Files.remove("\(path)/\(entry.name)") }
            try? Files.remove(path, folder: true)
        }
        try body(path)
    }

    @Test func whatIsWrittenIsRead() throws {
        try withDirectory { path in
            let ledger = try Ledger(directory: path)
            let one = Attachment(sandbox: "uid-1_0", link: "swla", address: try #require(IPAddress("10.1.0.1")))
            var two = Attachment(sandbox: "uid-2", link: "swlb", address: try #require(IPAddress("10.1.0.2")))
            try ledger.write(one)
            try ledger.write(two)
            two.released = 1234
            try ledger.write(two)
            #expect(Set(try ledger.attachments().found) == [one, two])
            try ledger.remove(one)
            #expect(try ledger.attachments().found == [two])
            let node = NodeRecord(table: "t", settings: [.init(path: "net/ipv4/ip_forward", value: "0"), .init(path: "x", value: "a b")])
            try ledger.write(node)
            #expect(try ledger.node() == node)
            try ledger.erase()
            #expect(!Files.exists(path))
        }
    }

    @Test func tornAndForeignFilesAreNamedNotTrusted() throws {
        try withDirectory { path in
            let ledger = try Ledger(directory: path)
            try ledger.write(Attachment(sandbox: "s", link: "swla", address: try #require(IPAddress("10.1.0.1"))))
            let whole = try Files.read("\(path)/swla.pod")
            for count in 0..<whole.count - 1 {
                try Files.write(Array(whole.prefix(count)), to: "\(path)/swla.pod")
                let (found, unreadable) = try ledger.attachments()
                #expect(found.isEmpty && unreadable == ["swla.pod"], "\(count) bytes")
            }
            try Files.write(whole, to: "\(path)/swlother.pod")
            #expect(try ledger.attachments().unreadable.sorted() == ["swla.pod", "swlother.pod"], "a file under a false name")
            try Files.write([], to: "\(path)/swlx.pod.12.tmp")
            _ = try ledger.attachments()
            #expect(!Files.exists("\(path)/swlx.pod.12.tmp"), "an interrupted write is swept up")
        }
    }
}
