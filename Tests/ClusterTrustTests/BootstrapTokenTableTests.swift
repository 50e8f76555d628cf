import KubeAPI
import Testing

@testable import ClusterTrust

@Suite struct BootstrapTokenTableTests {
    @Test func tokensAsKubeadmListsThem() throws {
        let now = try Time("2026-01-02T03:04:05Z")
        let tokens = [
            BootstrapTokenSecret(token: try BootstrapToken("ghijkl.0123456789abcdef"), expiration: nil, description: "for the rack", groups: [], signs: false),
            BootstrapTokenSecret(token: try BootstrapToken("abcdef.0123456789abcdef"), expiration: now + .seconds(86_399)),
        ]
        #expect(BootstrapTokenTable.text(tokens, now: now) == """
            TOKEN                     TTL         EXPIRES                USAGES                   DESCRIPTION    EXTRA GROUPS
            abcdef.0123456789abcdef   23h         2026-01-03T03:04:04Z   authentication,signing   <none>         system:bootstrappers:kubeadm:default-node-token
            ghijkl.0123456789abcdef   <forever>   <never>                authentication           for the rack   <none>

            """)
    }

    @Test(arguments: [(-2, "<invalid>"), (-1, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (86_400, "1d"), (366 * 86_400, "1y")] as [(Int64, String)])
    func durations(_ seconds: Int64, _ text: String) { #expect(BootstrapTokenTable.duration(seconds: seconds) == text) }

    @Test func timesToLive() throws {
        #expect(try TimeToLive.seconds("24h") == 86_400)
        #expect(try TimeToLive.seconds("24h0m0s") == 86_400)
        #expect(try TimeToLive.seconds("1h30m") == 5400)
        #expect(try TimeToLive.seconds("2d") == 172_800)
        #expect(try TimeToLive.seconds("0") == 0)
        for wrong in ["", "24", "h", "-1h", "1w", "1h30", "99999999999999999999h", "1.5h"] {
            #expect(throws: ClusterTrustError.self, "\(wrong)") { try TimeToLive.seconds(wrong) }
        }
    }
}
