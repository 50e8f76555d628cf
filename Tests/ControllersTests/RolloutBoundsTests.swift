import KubeAPI
import KubeTypes
import Testing

@testable import Controllers

@Suite struct RolloutBoundsTests {
    @Test("surge is rounded up, unavailable down; both zero becomes one unavailable", arguments: [
        (10, "25%", "25%", 3, 2), (4, "25%", "25%", 1, 1), (3, "25%", "25%", 1, 0), (1, "25%", "25%", 1, 0), (10, 0, 1, 0, 1),
        (10, 3, 0, 3, 0), (2, "0%", "10%", 0, 1), (2, 0, 5, 0, 2), (10, "100%", "100%", 10, 10), (0, "25%", "25%", 0, 0),
        (7, "50%", "30%", 4, 2), (5, "200%", 1, 10, 1),
    ] as [(Int, IntOrString, IntOrString, Int, Int)])
    func resolved(replicas: Int, surge: IntOrString, unavailable: IntOrString, maxSurge: Int, maxUnavailable: Int) {
        let bounds = RolloutBounds(deployment(replicas, maxSurge: surge, maxUnavailable: unavailable))
        #expect(bounds.maxSurge == maxSurge)
        #expect(bounds.maxUnavailable == maxUnavailable)
    }

    @Test("Recreate has neither")
    func recreate() {
        let bounds = RolloutBounds(deployment(10, recreate: true))
        #expect(bounds.maxSurge == 0)
        #expect(bounds.maxUnavailable == 0)
    }
}
