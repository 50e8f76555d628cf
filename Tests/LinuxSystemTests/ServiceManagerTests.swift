import Glibc
import LinuxSystem
import Testing

@Suite struct ServiceManagerTests {
    /// A service manager's end of the protocol: a bound datagram socket.
    private struct Listener: ~Copyable {
        let raw: Int32

        init(_ name: String) throws {
            raw = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name.utf8) }
            if name.hasPrefix("@") { address.sun_path.0 = 0 }
            let length = socklen_t(MemoryLayout<sa_family_t>.size + name.utf8.count)
            let result = withUnsafePointer(to: address) { $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(raw, $0, length) } }
            guard result == 0 else { throw SystemError(operation: "bind", errno: errno, path: name) }
        }

        deinit { close(raw) }

        /// What has been said; nothing is waited for.
        func next() -> String? {
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = recv(raw, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            return count < 0 ? nil : String(decoding: buffer.prefix(count), as: UTF8.self)
        }
    }

    private func managed(_ variables: [String: String]) -> ServiceManager? { ServiceManager(variables: { variables[$0] }, pid: 42) }

    @Test func messagesArriveAtAPath() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/notify"
        let listener = try Listener(path)
        let manager = try #require(managed(["NOTIFY_SOCKET": path]))
        try manager.tell([.ready, .status("two\nlines")])
        #expect(listener.next() == "READY=1\nSTATUS=two lines\n")
        try manager.tell([.alive])
        try manager.tell([.stopping])
        #expect(listener.next() == "WATCHDOG=1\n")
        #expect(listener.next() == "STOPPING=1\n")
        #expect(listener.next() == nil)
    }

    @Test func messagesArriveAtAnAbstractName() throws {
        let name = "@swiftlet-test-\(UInt64.random(in: 0 ... .max))"
        let listener = try Listener(name)
        try #require(managed(["NOTIFY_SOCKET": name])).tell([.ready])
        #expect(listener.next() == "READY=1\n")
    }

    @Test func nobodyListens() throws {
        let directory = try TemporaryDirectory()
        let manager = try #require(managed(["NOTIFY_SOCKET": directory.path + "/notify"]))
        #expect { try manager.tell([.ready]) } throws: { ($0 as? SystemError)?.errno == ENOENT }
    }

    @Test func theWatchdogIsForOneProcess() {
        #expect(managed(["NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "30000000"])?.watchdog == .seconds(30))
        #expect(managed(["NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "42"])?.watchdog == .seconds(30))
        #expect(managed(["NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "41"]) != nil)
        #expect(managed(["NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "41"])?.watchdog == nil)
        #expect(managed(["NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "0"])?.watchdog == nil)
        #expect(managed(["NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "soon"])?.watchdog == nil)
    }

    @Test(arguments: [[:], ["NOTIFY_SOCKET": ""], ["NOTIFY_SOCKET": "@"], ["NOTIFY_SOCKET": "relative"], ["NOTIFY_SOCKET": "/" + String(repeating: "n", count: 107)]])
    func nobodyAsked(_ variables: [String: String]) {
        #expect(managed(variables) == nil)
    }
}
