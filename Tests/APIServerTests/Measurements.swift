import Foundation
import JSONTree
import KubeHTTP
import NIOHTTP1
import Storage
import Testing

/// Not a test of right or wrong: prints durable writes a second through the handler. Set SWIFTLET_MEASURE to run it.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["SWIFTLET_MEASURE"] != nil), .serialized) struct Measurements {
    private func measure(_ name: String, clients: Int, writes: Int) async throws {
        let directory = ProcessInfo.processInfo.environment["SWIFTLET_MEASURE"]! + "/\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let storage = try SQLiteStorage.open(directory: directory)
        let server = try await TestServer(storage: storage)
        let filler = String(repeating: "x", count: 800)
        let before = Self.memory()
        let clock = ContinuousClock()
        let time = await clock.measure {
            await withTaskGroup(of: Void.self) { group in
                for client in 0..<clients {
                    group.addTask {
                        for index in 0..<writes / clients {
                            let answer = await server.call(.POST, configMaps, .configMap("c\(client)-\(index)", ["a": .string(filler)]))
                            if answer.status != 201 { Issue.record("\(answer.json)") }
                        }
                    }
                }
            }
        }
        let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
        let list = clock.measure { }
        _ = list
        var listed = 0
        let listing = await clock.measure { listed = await server.get(configMaps).json["items"]?.array?.count ?? 0 }
        print("MEASURE \(name): \(writes) writes in \(seconds) s: \(Int(Double(writes) / seconds))/s; memory \(before) -> \(Self.memory()) KB; list of \(listed): \(listing)")
        await storage.close()
    }

    private static func memory() -> Int {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("RssAnon") } ?? ""
        return Int(line.split(separator: " ").dropFirst().first ?? "") ?? 0
    }

    @Test func writes() async throws {
        try await measure("one client", clients: 1, writes: 2000)
        try await measure("50 clients", clients: 50, writes: 10000)
    }
}
