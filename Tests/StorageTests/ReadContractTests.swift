import Storage
import Testing

@Suite struct ReadContractTests {
    @Test(arguments: Implementation.allCases)
    func aRangeHoldsItsPrefixOnlyInByteOrder(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            for key in ["/p/b", "/p/a", "/p/B", "/p", "/p0", "/pa/x", "/p/ä", "/p/a/x", "/p/a-x"] { _ = try await storage.create(key, []) }
            let result = try await storage.range(RangeRequest(prefix: "/p/"))
            #expect(result.items.map(\.key) == ["/p/B", "/p/a", "/p/a-x", "/p/a/x", "/p/b", "/p/ä"])
            #expect(result.remaining == 0)
            #expect(result.revision == 10)
        }
    }

    @Test(arguments: Implementation.allCases)
    func pagesAreOneSnapshotWhateverIsWrittenMeanwhile(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            for key in ["a", "b", "c", "d", "e"] { _ = try await storage.create("/p/\(key)", "1".bytes) }
            let first = try await storage.range(RangeRequest(prefix: "/p/", limit: 2))
            #expect(first.items.map(\.key) == ["/p/a", "/p/b"])
            #expect(first.remaining == 3)

            _ = try await storage.delete("/p/c", if: .exists)
            _ = try await storage.update("/p/d", "2".bytes, if: .exists)
            _ = try await storage.create("/p/ca", "new".bytes)

            let second = try await storage.range(RangeRequest(prefix: "/p/", after: "/p/b", limit: 2, revision: first.revision))
            #expect(second.items.map(\.key) == ["/p/c", "/p/d"])
            #expect(second.items.map(\.text) == ["1", "1"])
            #expect(second.remaining == 1)
            let third = try await storage.range(RangeRequest(prefix: "/p/", after: "/p/d", limit: 2, revision: first.revision))
            #expect(third.items.map(\.key) == ["/p/e"])
            #expect(third.remaining == 0)

            let now = try await storage.range(RangeRequest(prefix: "/p/"))
            #expect(now.items.map(\.key) == ["/p/a", "/p/b", "/p/ca", "/p/d", "/p/e"])
        }
    }

    @Test(arguments: Implementation.allCases)
    func aKeyIsReadAsItStoodAtARevision(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            _ = try await storage.create("/a", "1".bytes)  // 2
            _ = try await storage.update("/a", "2".bytes, if: .exists)  // 3
            _ = try await storage.delete("/a", if: .exists)  // 4
            #expect(try await storage.get("/a", at: 1).0 == nil)
            #expect(try await storage.get("/a", at: 2).0?.text == "1")
            #expect(try await storage.get("/a", at: 3).0?.text == "2")
            #expect(try await storage.get("/a", at: 4).0 == nil)
            let future = await storageError { () async throws(StorageError) in try await storage.range(RangeRequest(prefix: "/", revision: 5)) }
            #expect(future?.code == .futureRevision)
        }
    }

    @Test(arguments: Implementation.allCases)
    func compactionForgetsThePastAndKeepsThePresent(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            _ = try await storage.create("/a", "1".bytes)  // 2
            _ = try await storage.create("/gone", "1".bytes)  // 3
            _ = try await storage.update("/a", "2".bytes, if: .exists)  // 4
            _ = try await storage.delete("/gone", if: .exists)  // 5
            try await storage.compact(to: 5)
            try await storage.compact(to: 3)

            #expect(try await storage.get("/a")?.text == "2")
            #expect(try await storage.get("/a", at: 5).0?.text == "2")
            for read in [4, 2] as [Revision] {
                let error = await storageError { () async throws(StorageError) in try await storage.get("/a", at: read) }
                #expect(error?.code == .compacted)
                #expect(error?.compactedRevision == 5)
            }
            let watch = await storageError { () async throws(StorageError) in try await storage.changes(prefix: "/", after: 4) }
            #expect(watch?.code == .compacted)
            let history = await storageError { () async throws(StorageError) in
                try await storage.history(prefix: "/", after: 4, through: 5, limit: 10)
            }
            #expect(history?.code == .compacted)
            let future = await storageError { () async throws(StorageError) in try await storage.compact(to: 6) }
            #expect(future?.code == .futureRevision)

            // What came before the horizon is still told as the previous value.
            _ = try await storage.update("/a", "3".bytes, if: .exists)
            let events = try await storage.history(prefix: "/", after: 5, through: 6, limit: 10)
            #expect(events.map(\.short) == ["~/a=2>3@6"])
            #expect(events.first?.previous?.createRevision == 2)
        }
    }

    @Test(arguments: Implementation.allCases)
    func compactionInManyStepsKeepsEveryLiveKey(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<500 {
                    group.addTask {
                        let key = "/k/\(index)"
                        _ = try await storage.create(key, "0".bytes)
                        for round in 1...4 { _ = try await storage.update(key, "\(round)".bytes, if: .exists) }
                        if index % 2 == 0 { _ = try await storage.delete(key, if: .exists) }
                    }
                }
                try await group.waitForAll()
            }
            let before = try await storage.range(RangeRequest(prefix: "/k/"))
            try await storage.compact(to: before.revision)
            let after = try await storage.range(RangeRequest(prefix: "/k/"))
            #expect(after == before)
            #expect(after.items.count == 250)
        }
    }
}
