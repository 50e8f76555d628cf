import Storage
import Testing

@Suite struct WriteContractTests {
    @Test(arguments: Implementation.allCases)
    func revisionsCountEveryChangeOfEveryKey(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            #expect(try await storage.currentRevision() == 1)
            let first = try await storage.create("/a", "1".bytes)
            #expect(first == KeyValue(key: "/a", value: "1".bytes, createRevision: 2, modRevision: 2))
            let other = try await storage.create("/b", "1".bytes)
            #expect(other.modRevision == 3)
            let updated = try await storage.update("/a", "2".bytes, if: .revision(2))
            #expect(updated == KeyValue(key: "/a", value: "2".bytes, createRevision: 2, modRevision: 4))
            let deleted = try await storage.delete("/a", if: .revision(4))
            #expect(deleted.short == "-/a=2@5")
            #expect(try await storage.currentRevision() == 5)
            #expect(try await storage.get("/a") == nil)
            let again = try await storage.create("/a", "3".bytes)
            #expect(again.createRevision == 6)
        }
    }

    @Test(arguments: Implementation.allCases)
    func conditionsThatFailChangeNothingAndTellTheCurrentValue(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            let created = try await storage.create("/a", "1".bytes)

            let exists = await storageError { () async throws(StorageError) in try await storage.create("/a", "2".bytes) }
            #expect(exists?.code == .keyExists)
            #expect(exists?.current == created)

            let conflict = await storageError { () async throws(StorageError) in try await storage.update("/a", "2".bytes, if: .revision(1)) }
            #expect(conflict?.code == .conflict)
            #expect(conflict?.current == created)

            let deletion = await storageError { () async throws(StorageError) in try await storage.delete("/a", if: .revision(99)) }
            #expect(deletion?.code == .conflict)

            let update = await storageError { () async throws(StorageError) in try await storage.update("/none", [], if: .exists) }
            #expect(update?.code == .notFound)
            let delete = await storageError { () async throws(StorageError) in try await storage.delete("/none", if: .exists) }
            #expect(delete?.code == .notFound)

            #expect(try await storage.get("/a") == created)
            #expect(try await storage.currentRevision() == created.modRevision)
        }
    }

    @Test(arguments: Implementation.allCases)
    func exactlyOneOfManyConcurrentUpdatesWins(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            let created = try await storage.create("/a", "0".bytes)
            let winners = await withTaskGroup(of: Bool.self) { group in
                for index in 0..<50 {
                    group.addTask {
                        (try? await storage.update("/a", "\(index)".bytes, if: .revision(created.modRevision))) != nil
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(winners == 1)
            #expect(try await storage.currentRevision() == created.modRevision + 1)
        }
    }

    @Test(arguments: Implementation.allCases)
    func concurrentWritersEachGetARevisionOfTheirOwn(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            let revisions = try await withThrowingTaskGroup(of: Revision.self) { group in
                for index in 0..<300 {
                    group.addTask { try await storage.create("/k/\(index)", "\(index)".bytes).modRevision }
                }
                return try await group.reduce(into: Set<Revision>()) { $0.insert($1) }
            }
            #expect(revisions == Set(2...301))
            let all = try await storage.range(RangeRequest(prefix: "/k/"))
            #expect(all.items.count == 300)
            #expect(all.items.allSatisfy { $0.key == "/k/" + $0.text })
        }
    }

    @Test(arguments: Implementation.allCases)
    func anyBytesAreAValueAndBadKeysAreRefused(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            let value: [UInt8] = [0, 255, 128, 0]
            _ = try await storage.create("/bytes", value)
            _ = try await storage.create("/empty", [])
            #expect(try await storage.get("/bytes")?.value == value)
            #expect(try await storage.get("/empty")?.value == [])
            for key in ["", "/a\0b"] {
                let error = await storageError { () async throws(StorageError) in try await storage.create(key, []) }
                #expect(error?.code == .invalidKey)
            }
        }
    }

    @Test(arguments: Implementation.allCases)
    func aClosedStoreRefusesEverythingAndEndsItsWatches(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            let stream = try await storage.changes(prefix: "/", after: 1)
            await storage.close()
            let error = await storageError { () async throws(StorageError) in try await storage.create("/a", []) }
            #expect(error?.code == .closed)
            let read = await storageError { () async throws(StorageError) in try await storage.range(RangeRequest(prefix: "/")) }
            #expect(read?.code == .closed)
            await #expect(throws: StorageError.self) { for try await _ in stream {} }
        }
    }
}
