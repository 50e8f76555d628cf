import KubeAPI
import Testing

@Suite struct TimeTests {
    static let texts: [(String, Int64, Int32, String)] = [
        ("1970-01-01T00:00:00Z", 0, 0, "1970-01-01T00:00:00Z"), ("2026-01-02T03:04:05Z", 1_767_323_045, 0, "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05.5Z", 1_767_323_045, 500_000_000, "2026-01-02T03:04:05Z"),
        ("2026-01-02T05:04:05+02:00", 1_767_323_045, 0, "2026-01-02T03:04:05Z"), ("2000-02-29T23:59:59-00:30", 951_870_599, 0, "2000-03-01T00:29:59Z"),
        ("1969-12-31T23:59:59Z", -1, 0, "1969-12-31T23:59:59Z"), ("1600-03-01T00:00:00Z", -11_670_912_000, 0, "1600-03-01T00:00:00Z"),
        ("2026-01-02t03:04:05.123456789z", 1_767_323_045, 123_456_789, "2026-01-02T03:04:05Z"),
    ]

    @Test(arguments: texts)
    func readsAndWrites(text: String, seconds: Int64, nanoseconds: Int32, written: String) throws {
        let time = try Time(text)
        #expect(time == Time(seconds: seconds, nanoseconds: nanoseconds))
        #expect(time.description == written)
    }

    @Test(arguments: [
        "", "2026-01-02", "2026-13-02T03:04:05Z", "2026-02-29T03:04:05Z", "2026-01-02T24:00:00Z", "2026-01-02T03:04:05", "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05+2:00", "2026-01-02 03:04:05Z", "2026-1-2T03:04:05Z", "2026-01-02T03:04:05ZZ", "yesterday at noon, or so",
    ])
    func refuses(text: String) {
        #expect { try Time(text) } throws: { "\($0)".hasPrefix("parsing time \"\(text)\" as ") }
    }

    @Test func everyDayOfManyCenturiesComesBack() throws {
        for day in stride(from: Int64(-500_000), to: 500_000, by: 13) {
            let time = Time(seconds: day * 86400 + 12345)
            if time.description.hasPrefix("-") || time.description.count != 20 { continue }
            #expect(try Time(time.description) == time)
        }
    }

    @Test func counts() throws {
        let time = Time(seconds: 10, nanoseconds: 900_000_000)
        #expect(time + .milliseconds(200) == Time(seconds: 11, nanoseconds: 100_000_000))
        #expect(time + .milliseconds(-1000) == Time(seconds: 9, nanoseconds: 900_000_000))
        #expect(time + .milliseconds(-950) == Time(seconds: 9, nanoseconds: 950_000_000))
        #expect(Time(seconds: 11, nanoseconds: 100_000_000) - time == .milliseconds(200))
        #expect(MicroTime(Time(seconds: 0, nanoseconds: 1_000)).description == "1970-01-01T00:00:00.000001Z")
        #expect(Time.now().seconds > 1_700_000_000)
    }
}
