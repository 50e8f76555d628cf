import Foundation
import Testing

/// A second real client, which shares no code with kubectl: PyPI's `kubernetes`, installed by `make deps-test`.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ClientLibraryTests {
    @Test("the kubernetes client of PyPI passes its tests")
    func python() async throws {
        try await KubectlTests.withCluster { cluster, _ in
            let python = TestCluster.root + "/.build/clients/bin/python3"
            let run = try await cluster.run([python, TestCluster.root + "/Tests/EndToEndTests/Clients/client.py"], timeout: 180)
            #expect(run.status == 0, "\(run)")
        }
    }
}
