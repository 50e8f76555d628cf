import SwiftASN1
import Foundation
import Glibc
import Logging
import Synchronization
import Testing
import X509

@testable import ControlPlane

/// A clock whose every sleep passes at once. After a number of them the task counts as cancelled.
private final class SteppingClock: CertificateClock {
    private let state: Mutex<(now: Date, steps: Int)>
    private let onStep: @Sendable (_ step: Int, _ now: Date) -> Void
    private let limit: Int

    init(_ start: Date, steps: Int, onStep: @escaping @Sendable (Int, Date) -> Void) {
        state = Mutex((start, 0))
        (limit, self.onStep) = (steps, onStep)
    }

    func now() -> Date { state.withLock { $0.now } }

    func sleep(for duration: Duration) async throws {
        let (step, now) = state.withLock { state in
            state = (state.now + Double(duration.components.seconds), state.steps + 1)
            return (state.steps, state.now)
        }
        guard step <= limit else { throw CancellationError() }
        onStep(step, now)
    }
}

/// What a test's closures note down.
private final class Noted<Value: Sendable>: Sendable {
    private let state: Mutex<Value>
    init(_ value: Value) { state = Mutex(value) }
    var value: Value { state.withLock { $0 } }
    func change(_ body: (inout Value) -> Void) { state.withLock { body(&$0) } }
}

@Suite struct CertificateRenewalTests {
    private let start = Date(timeIntervalSince1970: 1_800_000_000)
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func withDirectory(_ body: (String) async throws -> Void) async throws {
        var template = Array("/tmp/swiftlet-pki-XXXXXX".utf8CString)
        let directory = String(cString: mkdtemp(&template))
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await body(directory)
    }

    private static let certificates = [
        "/pki/kubelet.crt", "/pki/kubelet-client.crt", "/pki/admin.crt", "/control-plane/pki/apiserver.crt", "/control-plane/pki/apiserver-kubelet-client.crt",
    ]

    @Test("over three years no certificate is ever in the last quarter of its life, and the kubeconfigs hold the newest")
    func years() async throws {
        try await withDirectory { directory in
            var pki = ClusterPKI(dataDirectory: directory, controlPlaneOwner: nil, server: "https://192.0.2.1:6443", serverNames: [], serverAddresses: ["192.0.2.1"])
            // An hour a step would be many: with a life of twenty hours a step is an hour all the same.
            pki.leafLifetime = 20 * 3600
            try pki.ensure(node: "node-1", nodeAddresses: [], now: start)
            let least = Noted(Double.infinity), seen = Noted<[String: Set<String>]>([:])
            let clock = SteppingClock(start, steps: 60) { _, now in
                for path in Self.certificates {
                    guard let text = try? PrivateFiles.read(directory + path), let certificate = try? Certificate(pemEncoded: text) else { continue }
                    least.change { $0 = min($0, certificate.notValidAfter.timeIntervalSince(now)) }
                    seen.change { $0[path, default: []].insert(text) }
                }
            }
            await CertificateRenewal(pki: pki, node: "node-1", nodeAddresses: [], clock: clock, logger: logger).run()
            #expect(least.value > 5 * 3600)
            // Sixty hours are three lives, of which two thirds are used.
            for path in Self.certificates { #expect(seen.value[path]?.count ?? 0 >= 4, "\(path)") }
            for (kubeconfig, certificate) in [("/admin.kubeconfig", "/pki/admin.crt"), ("/pki/kubelet.kubeconfig", "/pki/kubelet-client.crt")] {
                let newest = try #require(try PrivateFiles.read(directory + certificate))
                #expect(try PrivateFiles.read(directory + kubeconfig)?.contains(Data(newest.utf8).base64EncodedString()) == true)
            }
            #expect(CertificateRenewal.period(pki) == .seconds(3600))
        }
    }

    @Test("a renewal that fails is tried again")
    func failure() async throws {
        try await withDirectory { directory in
            var pki = ClusterPKI(dataDirectory: directory, controlPlaneOwner: nil, server: "https://192.0.2.1:6443", serverNames: [], serverAddresses: [])
            pki.leafLifetime = 20 * 3600
            try pki.ensure(node: nil, nodeAddresses: [], now: start)
            let key = try #require(try PrivateFiles.read(directory + "/pki/ca.key"))
            let clock = SteppingClock(start, steps: 20) { step, _ in
                // The authority's key is nonsense for a while, from before the renewal is due until after.
                try? PrivateFiles.write((5...15).contains(step) ? "nonsense" : key, to: directory + "/pki/ca.key", mode: 0o600, owner: nil)
            }
            await CertificateRenewal(pki: pki, node: nil, nodeAddresses: [], clock: clock, logger: logger).run()
            let served = try Certificate(pemEncoded: try #require(try PrivateFiles.read(directory + "/control-plane/pki/apiserver.crt")))
            #expect(served.notValidAfter > start + 30 * 3600)
        }
    }

    @Test("files are taken up when they change, and again until they fit together")
    func follows() async throws {
        struct Mismatch: Error {}
        try await withDirectory { directory in
            let paths = [directory + "/a", directory + "/b"]
            @Sendable func write(_ index: Int, _ text: String) { try? PrivateFiles.write(text, to: paths[index], mode: 0o600, owner: nil) }
            write(0, "1")
            write(1, "1")
            let applied = Noted<[String]>([]), tries = Noted(0)
            let clock = SteppingClock(start, steps: 6) { step, _ in
                switch step {
                case 2: write(0, "2")  // The other one follows two steps later.
                case 4: write(1, "2")
                case 5: unlink(paths[0])
                default: break
                }
            }
            await FollowedFiles(paths, clock: clock, logger: logger).run { texts in
                tries.change { $0 += 1 }
                guard texts[0] == texts[1] else { throw Mismatch() }
                applied.change { $0.append(texts[0]) }
            }
            #expect(applied.value == ["1", "2"])
            #expect(tries.value == 4)
        }
    }
}
