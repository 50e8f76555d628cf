import JSONTree
import KubeTypes
import Netlink
@testable import ServiceProxy
import Testing

/// What the API server writes, as the proxy reads it.
@Suite struct KubernetesInputTests {
    func service(_ text: String) throws -> ServiceDescription? { ServiceDescription(try Service(json: JSON(parsing: Array(text.utf8)))) }
    func slice(_ text: String) throws -> EndpointSliceDescription? { EndpointSliceDescription(try EndpointSlice(json: JSON(parsing: Array(text.utf8)))) }

    @Test func aServiceWithEverything() throws {
        let read = try #require(try service("""
            {"metadata": {"namespace": "n", "name": "web", "creationTimestamp": "2026-01-01T00:00:01Z"},
             "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00::1"], "externalIPs": ["198.51.100.1"],
                      "loadBalancerSourceRanges": ["203.0.113.0/24", " 10.0.0.0/8 ", "nonsense"],
                      "internalTrafficPolicy": "Local", "externalTrafficPolicy": "Local", "sessionAffinity": "ClientIP",
                      "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 7}},
                      "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080, "nodePort": 30080}, {"name": "dns", "protocol": "UDP", "port": 53},
                                {"name": "s", "protocol": "SCTP", "port": 9}, {"name": "odd", "protocol": "QUIC", "port": 9}, {"name": "wrong", "port": 70000}]},
             "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}, {"ip": "192.0.2.10", "ipMode": "Proxy"}, {"ip": "192.0.2.11", "ipMode": "VIP"}, {"hostname": "x"}]}}}
            """))
        #expect(read == ServiceDescription(
            ObjectName("n", "web"), created: 1_767_225_601, clusterIPs: ["10.96.0.1", "fd00::1"].compactMap { IPAddress($0) },
            ports: [.init(name: "http", .tcp, 80, nodePort: 30080), .init(name: "dns", .udp, 53), .init(name: "s", .sctp, 9)],
            externalIPs: ["198.51.100.1"].compactMap { IPAddress($0) }, loadBalancerIPs: ["192.0.2.9", "192.0.2.11"].compactMap { IPAddress($0) },
            sourceRanges: ["203.0.113.0/24", "10.0.0.0/8"].compactMap { IPPrefix($0) }, internalTrafficPolicy: .local, externalTrafficPolicy: .local, affinitySeconds: 7))
    }

    @Test func servicesWithNothingToTranslate() throws {
        for spec in [#"{"clusterIP": "None", "clusterIPs": ["None"]}"#, #"{"type": "ExternalName", "clusterIP": "10.96.0.1", "externalName": "x.y"}"#, #"{"clusterIP": ""}"#, "{}"] {
            let read = try #require(try service(#"{"metadata": {"namespace": "n", "name": "a"}, "spec": \#(spec)}"#))
            #expect(read.clusterIPs.isEmpty && read.affinitySeconds == nil, "\(spec)")
        }
        #expect(try service(#"{"metadata": {"name": "a", "labels": {"service.kubernetes.io/service-proxy-name": "other"}}, "spec": {"clusterIP": "10.96.0.1"}}"#) == nil)
        #expect(try service(#"{"metadata": {"name": "a"}, "spec": {"clusterIP": "10.96.0.1", "sessionAffinity": "ClientIP"}}"#)?.affinitySeconds == 10_800)
        #expect(try service(#"{"metadata": {"name": "a"}, "spec": {"clusterIP": "10.96.0.1"}}"#)?.clusterIPs.count == 1, "an old object without the list")
    }

    @Test func aSliceWithEverything() throws {
        let read = try #require(try slice("""
            {"metadata": {"namespace": "n", "name": "web-1", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
             "ports": [{"name": "http", "protocol": "TCP", "port": 8080}, {"name": "all"}, {"port": 53, "protocol": "UDP"}],
             "endpoints": [{"addresses": ["10.244.0.1", "10.244.0.2"]},
                           {"addresses": ["10.244.0.3"], "nodeName": "here", "conditions": {"ready": false, "serving": true, "terminating": true}},
                           {"addresses": ["10.244.0.4"], "conditions": {"ready": false}, "hints": {"forZones": [{"name": "a"}], "forNodes": [{"name": "here"}]}},
                           {"addresses": ["nonsense"]}]}
            """))
        let addresses = (0...4).map { IPAddress.v4(0x0af4_0000 + $0) }
        #expect(read == EndpointSliceDescription(
            ObjectName("n", "web-1"), service: "web", ports: [.init(name: "http", .tcp, 8080), .init(.udp, 53)],
            endpoints: [
                .init(addresses[1]), .init(addresses[3], isReady: false, isServing: true, isTerminating: true, nodeName: "here"),
                .init(addresses[4], isReady: false, isServing: false, zoneHints: ["a"], nodeHints: ["here"]),
            ]))
    }

    @Test func slicesThatAreNotOurs() throws {
        for labels in [#"{}"#, #"{"kubernetes.io/service-name": ""}"#, #"{"kubernetes.io/service-name": "a", "service.kubernetes.io/headless": ""}"#,
                       #"{"kubernetes.io/service-name": "a", "service.kubernetes.io/service-proxy-name": "x"}"#] {
            #expect(try slice(#"{"metadata": {"name": "s", "labels": \#(labels)}, "addressType": "IPv4"}"#) == nil, "\(labels)")
        }
        #expect(try slice(#"{"metadata": {"name": "s", "labels": {"kubernetes.io/service-name": "a"}}, "addressType": "FQDN"}"#) == nil)
    }
}
