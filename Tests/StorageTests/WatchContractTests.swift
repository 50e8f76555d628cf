import Storage
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct WatchContractTests {
    @Test(arguments: Implementation.allCases)
    func aWatchTellsThePastThenThePresentWithPreviousValues(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            _ = try await storage.create("/a/x", "1".bytes)  // 2
            _ = try await storage.update("/a/x", "2".bytes, if: .exists)  // 3
            _ = try await storage.create("/b/x", "1".bytes)  // 4
            let stream = try await storage.changes(prefix: "/a/", after: 2)
            _ = try await storage.delete("/a/x", if: .exists)  // 5
            _ = try await storage.create("/a/x", "3".bytes)  // 6
            #expect(try await take(3, stream) == ["~/a/x=1>2@3", "-/a/x=2@5", "+/a/x=3@6"])
        }
    }

    @Test(arguments: Implementation.allCases)
    func watchersHearOfAWriteBeforeItIsAcknowledged(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            let seen = Mutex<Revision>(0)
            let handle = try await storage.watch(prefix: "/", after: 1) { delivery in
                if case .events(_, let through) = delivery { seen.withLock { $0 = through } }
            }
            for index in 0..<100 {
                let written = try await storage.create("/\(index)", [])
                #expect(seen.withLock { $0 } >= written.modRevision)
            }
            handle.cancel()
            _ = try await storage.create("/last", [])
            #expect(seen.withLock { $0 } == 101)
        }
    }

    @Test(arguments: Implementation.allCases)
    func aWatchWithoutMatchesStillMakesProgress(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            let stream = try await storage.changes(prefix: "/quiet/", after: 1)
            let written = try await storage.create("/loud/a", [])
            for try await (events, through) in stream {
                #expect(events.isEmpty)
                if through == written.modRevision { break }
            }
        }
    }

    @Test(arguments: Implementation.allCases)
    func snapshotAndWatchLosesNothingUnderConcurrentWrites(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            let total = 400
            async let writing: Void = withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<total { group.addTask { _ = try await storage.create("/k/\(index)", []) } }
                try await group.waitForAll()
            }
            _ = try await storage.create("/k/first", [])
            let stream = WatchStream()
            let (snapshot, handle) = try await storage.snapshotAndWatch(prefix: "/k/", receive: stream.receiver)
            stream.cancelOnEnd(handle)
            try await writing
            var keys = snapshot.items.map(\.key)
            if keys.count < total + 1 {
                for try await (events, _) in stream {
                    #expect(events.allSatisfy { $0.revision > snapshot.revision })
                    keys += events.map(\.key)
                    if keys.count == total + 1 { break }
                }
            }
            #expect(Set(keys).count == total + 1)
            #expect(keys.count == total + 1)
        }
    }

    @Test(arguments: Implementation.allCases)
    func everyWatcherSeesTheSameSequence(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            let live = try await storage.changes(prefix: "/", after: 1)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<200 { group.addTask { _ = try await storage.create("/\(index)", []) } }
                try await group.waitForAll()
            }
            let late = try await storage.changes(prefix: "/", after: 1)
            let first = try await take(200, live)
            #expect(first.count == 200)
            #expect(try await take(200, late) == first)
            #expect(try await storage.history(prefix: "/", after: 1, through: 201, limit: 1000).map(\.short) == first)
        }
    }

    @Test(arguments: Implementation.allCases)
    func aWatcherThatFallsBehindIsCutOff(_ implementation: Implementation) async throws {
        try await implementation.with { storage in
            let stream = try await storage.changes(prefix: "/", after: 1, capacity: 4)
            for index in 0..<10 { _ = try await storage.create("/\(index)", []) }
            var seen = 0
            var code: StorageError.Code?
            do {
                for try await (events, _) in stream { seen += events.count }
            } catch let error as StorageError {
                code = error.code
            }
            #expect(code == .tooSlow)
            #expect(seen == 4)
        }
    }

    @Test(arguments: Implementation.allCases)
    func keysExpireByThemselvesAndWatchersAreTold(_ implementation: Implementation) async throws {
        let clock = Mutex<Int64>(1_000_000)
        try await implementation.with(now: { clock.withLock { $0 } }) { storage in
            let stream = try await storage.changes(prefix: "/", after: 1)
            _ = try await storage.create("/short", "s".bytes, ttl: .seconds(10))
            _ = try await storage.create("/kept", "k".bytes, ttl: .seconds(10))
            _ = try await storage.update("/kept", "k".bytes, if: .exists)
            _ = try await storage.create("/renewed", "r".bytes, ttl: .seconds(10))
            clock.withLock { $0 += 9_000 }
            _ = try await storage.update("/renewed", "r".bytes, if: .exists, ttl: .seconds(10))
            clock.withLock { $0 += 2_000 }
            _ = try await storage.create("/tick", [])
            let events = try await take(7, stream)
            // The clock's own look and the commit's may come in either order.
            #expect(events.suffix(2).contains { $0.hasPrefix("-/short=s@") }, "\(events)")
            #expect(try await storage.range(RangeRequest(prefix: "/")).items.map(\.key) == ["/kept", "/renewed", "/tick"])
        }
    }

    @Test func aTimeToLiveNeedsNoWriteToEnd() async throws {
        try await Implementation.sqliteMemory.with { storage in
            let stream = try await storage.changes(prefix: "/", after: 1)
            _ = try await storage.create("/short", "s".bytes, ttl: .milliseconds(30))
            #expect(try await take(2, stream) == ["+/short=s@2", "-/short=s@3"])
        }
    }
}
