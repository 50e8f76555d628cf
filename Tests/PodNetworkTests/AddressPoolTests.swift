@testable import PodNetwork
import Netlink
import Testing

@Suite struct AddressPoolTests {
    func pool(_ text: String) throws -> AddressPool { AddressPool(range: try #require(IPPrefix(text))) }

    // Macros take no mutating calls.
    func next(_ pool: inout AddressPool, _ now: Int64) -> IPAddress? { pool.take(now: now) }
    func take(_ pool: inout AddressPool, _ text: String) throws -> Bool {
        let address = try #require(IPAddress(text))
        return pool.take(address)
    }

    @Test func everyAddressOnceWithoutFirstAndLast() throws {
        var pool = try pool("10.1.0.0/29")
        let taken = (0..<6).compactMap { _ in next(&pool, 0)?.description }
        #expect(taken == ["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"])
        let answer1 = next(&pool, 0)
        #expect(answer1 == nil)
    }

    @Test func releasedAddressesRest() throws {
        var pool = try pool("10.1.0.0/30")
        let firstFound = next(&pool, 0)
        let first = try #require(firstFound)
        let secondFound = next(&pool, 0)
        let second = try #require(secondFound)
        pool.release(first, until: 60)
        let answer2 = next(&pool, 59)
        #expect(answer2 == nil)
        let answer3 = next(&pool, 60)
        #expect(answer3 == first)
        pool.release(second, until: 100)
        let early = pool.rested(now: 99)
        #expect(early.isEmpty)
        let done = pool.rested(now: 100)
        #expect(done == [second])
    }

    /// The one released last is the last to come back, even without quarantine.
    @Test func oneAfterTheOther() throws {
        var pool = try pool("10.1.0.0/24")
        let firstFound = next(&pool, 0)
        let first = try #require(firstFound)
        pool.release(first, until: 0)
        for _ in 0..<253 {
            let nextFound = next(&pool, 0)
            let next = try #require(nextFound)
            #expect(next != first)
        }
        let answer4 = next(&pool, 0)
        #expect(answer4 == first)
    }

    @Test func knownAddressesStayTaken() throws {
        var pool = try pool("10.1.0.0/30")
        let fresh = try take(&pool, "10.1.0.1")
        #expect(fresh)
        let again = try take(&pool, "10.1.0.1")
        #expect(!again)
        let answer5 = next(&pool, 0)
        #expect(answer5?.description == "10.1.0.2")
        let answer6 = next(&pool, 0)
        #expect(answer6 == nil)
    }
}
