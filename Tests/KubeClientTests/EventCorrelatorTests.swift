import KubeClient
import Testing

@Suite("What becomes of events")
struct EventCorrelatorTests {
    private static let pod = EventCorrelator.EventObject(apiVersion: "v1", kind: "Pod", namespace: "default", name: "web", uid: "u")

    private static func occurrence(_ message: String, reason: String = "Unhealthy", path: String = "", object: EventCorrelator.EventObject = pod) -> EventCorrelator.Occurrence {
        EventCorrelator.Occurrence(object: object, fieldPath: path, type: "Warning", reason: reason, message: message)
    }

    @Test("a repeat raises the count of the object that is there; whatever differs has one of its own")
    func repeats() {
        var correlator = EventCorrelator()
        let first = correlator.observe(Self.occurrence("m"), now: .zero)
        #expect((first.count, first.name, first.isDropped) == (1, nil, false))
        correlator.sent(first.key, as: "web.1")
        let second = correlator.observe(Self.occurrence("m"), times: 3, now: .seconds(1))
        #expect((second.count, second.name, second.message) == (4, "web.1", "m"))
        for other in [Self.occurrence("n"), Self.occurrence("m", reason: "Killing"), Self.occurrence("m", path: "spec.containers{a}")] {
            let verdict = correlator.observe(other, now: .seconds(1))
            #expect((verdict.count, verdict.name) == (1, nil))
        }
        correlator.sent(first.key, as: nil)
        let afterwards = correlator.observe(Self.occurrence("m"), now: .seconds(2))
        #expect((afterwards.count, afterwards.name) == (5, nil), "an object that has expired is made anew and goes on counting")
    }

    @Test("twenty-five events of one object at once, then one in five minutes; what is dropped is counted")
    func spam() {
        var correlator = EventCorrelator()
        var dropped: [Int] = []
        for index in 1...30 where correlator.observe(Self.occurrence("m"), now: .zero).isDropped { dropped.append(index) }
        #expect(dropped == [26, 27, 28, 29, 30])
        let other = EventCorrelator.EventObject(apiVersion: "v1", kind: "Pod", namespace: "default", name: "other", uid: "v")
        #expect(!correlator.observe(Self.occurrence("m", object: other), now: .zero).isDropped, "each object has its own measure")
        #expect(correlator.observe(Self.occurrence("m"), now: .seconds(299)).isDropped)
        let next = correlator.observe(Self.occurrence("m"), now: .seconds(300))
        #expect((next.isDropped, next.count) == (false, 32))
        #expect(correlator.observe(Self.occurrence("m"), now: .seconds(301)).isDropped)
        var granted = 0
        for _ in 0..<40 where !correlator.observe(Self.occurrence("m"), now: .seconds(1_000_000)).isDropped { granted += 1 }
        #expect(granted == 25, "rest does not add up beyond the burst")
    }

    @Test("from the tenth message on, similar events are combined, until they have rested for ten minutes")
    func similar() {
        var correlator = EventCorrelator()
        for index in 1...9 { #expect(correlator.observe(Self.occurrence("m\(index)"), now: .zero).message == "m\(index)") }
        let tenth = correlator.observe(Self.occurrence("m10", path: "spec.containers{a}"), now: .zero)
        #expect((tenth.message, tenth.count, tenth.name) == ("(combined from similar events): m10", 1, nil))
        correlator.sent(tenth.key, as: "web.combined")
        let eleventh = correlator.observe(Self.occurrence("m11"), now: .seconds(600))
        #expect((eleventh.message, eleventh.count, eleventh.name) == ("(combined from similar events): m11", 2, "web.combined"))
        #expect(correlator.observe(Self.occurrence("m1"), now: .seconds(600)).message == "m1", "the first ones keep their own objects")
        #expect(correlator.observe(Self.occurrence("m12", reason: "Failed"), now: .seconds(600)).message == "m12")
        #expect(correlator.observe(Self.occurrence("m13"), now: .seconds(1201)).message == "m13")
    }
}
