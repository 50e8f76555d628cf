import Foundation
import Storage
import Testing

/// What holds for the store on disk alone: restarts, crashes, formats.
@Suite struct SQLiteFileTests {
    @Test func aReopenedStoreGoesOnWhereItStopped() async throws {
        try await withDirectory { directory in
            let first = try SQLiteStorage.open(directory: directory)
            _ = try await first.create("/a", "1".bytes)
            _ = try await first.create("/b", "1".bytes, ttl: .seconds(3600))
            _ = try await first.update("/a", "2".bytes, if: .exists)
            await first.close()

            let second = try SQLiteStorage.open(directory: directory)
            #expect(try await second.currentRevision() == 4)
            #expect(try await take(3, second.changes(prefix: "/", after: 1)) == ["+/a=1@2", "+/b=1@3", "~/a=1>2@4"])
            await second.close()
        }
    }

    @Test func revisionsDoNotGoBackWhenTheNewestChangeWasCompactedAway() async throws {
        try await withDirectory { directory in
            let first = try SQLiteStorage.open(directory: directory)
            _ = try await first.create("/a", [])
            let deleted = try await first.delete("/a", if: .exists)
            try await first.compact(to: deleted.revision)
            await first.close()

            let second = try SQLiteStorage.open(directory: directory)
            #expect(try await second.currentRevision() == deleted.revision)
            #expect(try await second.create("/a", []).modRevision == deleted.revision + 1)
            await second.close()
        }
    }

    @Test func whatWasAcknowledgedIsInTheFilesWithoutClosing() async throws {
        try await withDirectory { directory in
            let storage = try SQLiteStorage.open(directory: directory)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<100 { group.addTask { _ = try await storage.create("/k/\(index)", "\(index)".bytes) } }
                try await group.waitForAll()
            }
            // What a process that is killed now leaves behind.
            try await withDirectory { copy in
                for file in ["storage.sqlite", "storage.sqlite-wal"] {
                    try FileManager.default.copyItem(atPath: directory + "/" + file, toPath: copy + "/" + file)
                }
                let recovered = try SQLiteStorage.open(directory: copy)
                let all = try await recovered.range(RangeRequest(prefix: "/k/"))
                #expect(all.items.count == 100)
                #expect(all.revision == 101)
                await recovered.close()
            }
            await storage.close()
        }
    }

    @Test func aTornLastWriteLosesOnlyItself() async throws {
        try await withDirectory { directory in
            let storage = try SQLiteStorage.open(directory: directory)
            for index in 0..<10 { _ = try await storage.create("/k/\(index)", [UInt8](repeating: 65, count: 5000)) }
            try await withDirectory { copy in
                for file in ["storage.sqlite", "storage.sqlite-wal"] {
                    try FileManager.default.copyItem(atPath: directory + "/" + file, toPath: copy + "/" + file)
                }
                let wal = try #require(FileHandle(forUpdatingAtPath: copy + "/storage.sqlite-wal"))
                let size = try wal.seekToEnd()
                try wal.truncate(atOffset: size - 100)
                try wal.close()
                let recovered = try SQLiteStorage.open(directory: copy)
                #expect(try await recovered.range(RangeRequest(prefix: "/k/")).items.count == 9)
                await recovered.close()
            }
            await storage.close()
        }
    }

    @Test func theFilesAreTheOwnersAlone() async throws {
        try await withDirectory { directory in
            let storage = try SQLiteStorage.open(directory: directory)
            _ = try await storage.create("/a", [])
            for file in ["storage.sqlite", "storage.sqlite-wal"] {
                let mode = try FileManager.default.attributesOfItem(atPath: directory + "/" + file)[.posixPermissions] as? Int
                #expect(mode == 0o600, "\(file)")
            }
            await storage.close()
        }
    }

    @Test func aSecondProcessIsRefused() async throws {
        try await withDirectory { directory in
            let storage = try SQLiteStorage.open(directory: directory)
            let error = await storageError { () async throws(StorageError) in try SQLiteStorage.open(directory: directory) }
            #expect(error?.code == .locked)
            await storage.close()
            let again = try SQLiteStorage.open(directory: directory)
            await again.close()
        }
    }

    @Test func aNewerFormatIsRefusedAndLeftAlone() async throws {
        try await withDirectory { directory in
            let storage = try SQLiteStorage.open(directory: directory)
            _ = try await storage.create("/a", [])
            await storage.close()
            // user_version is the big-endian number at byte 60 of an SQLite file.
            let path = directory + "/storage.sqlite"
            let file = try #require(FileHandle(forUpdatingAtPath: path))
            try file.seek(toOffset: 60)
            try file.write(contentsOf: Data([0, 0, 0, 99]))
            try file.close()
            let error = await storageError { () async throws(StorageError) in try SQLiteStorage.open(directory: directory) }
            #expect(error?.code == .newerFormat)
            #expect(error?.message.contains("format 99") == true)
        }
    }

    @Test func whatIsNotADatabaseIsRefused() async throws {
        try await withDirectory { directory in
            try Data("this is not a database, and it is long enough to be read as one page header".utf8)
                .write(to: URL(fileURLWithPath: directory + "/storage.sqlite"))
            let error = await storageError { () async throws(StorageError) in try SQLiteStorage.open(directory: directory) }
            #expect(error?.code == .failed)
        }
    }
}
