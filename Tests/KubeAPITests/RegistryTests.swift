import JSONTree
import KubeAPI
import Testing

@Suite struct RegistryTests {
    let registry = APIRegistry.builtIn

    @Test func findsResources() throws {
        let pods = try #require(registry.definition(group: "", version: "v1", resource: "pods"))
        #expect(pods.kind == "Pod")
        #expect(pods.shortNames == ["po"])
        #expect(pods.namespaced)
        #expect(pods.hasStatus)
        #expect(pods.categories == ["all"])
        #expect(registry.definition(apiVersion: "coordination.k8s.io/v1", kind: "Lease")?.reference.resource == "leases")
        #expect(registry.definition(group: "", version: "v2", resource: "pods") == nil)
        #expect(registry.groupVersions.map(\.apiVersion) == [
            "v1", "apiextensions.k8s.io/v1", "apps/v1", "authentication.k8s.io/v1", "authorization.k8s.io/v1", "certificates.k8s.io/v1",
            "coordination.k8s.io/v1", "discovery.k8s.io/v1", "events.k8s.io/v1", "networking.k8s.io/v1", "node.k8s.io/v1", "rbac.authorization.k8s.io/v1",
            "storage.k8s.io/v1",
        ])
        #expect(registry.definitions(group: "", version: "v1").map(\.kind)
            == ["Pod", "Node", "Namespace", "ConfigMap", "Secret", "Service", "Endpoints", "ServiceAccount", "Event", "Binding"])
    }

    @Test func schemasKnowTheirFields() throws {
        let pod = try SchemaCatalog.builtIn.schema("core/v1.Pod")
        let containers = try #require(pod.property("spec")?.property("containers"))
        #expect(containers.listType == .map)
        #expect(containers.listMapKeys == ["name"])
        #expect(containers.patchMerges)
        #expect(containers.patchMergeKey == "name")
        #expect(containers.protobufTag == "2")
        #expect(containers.items?.typeName == "core/v1.Container")
        #expect(pod.property("spec")?.property("volumes")?.patchRetainsKeys == true)
        #expect(pod.property("spec")?.property("nodeSelector")?.isAtomicMap == true)
        #expect(containers.items?.property("livenessProbe")?.property("httpGet")?.property("port")?.isIntOrString == true)
        #expect(containers.items?.property("livenessProbe")?.property("exec")?.protobufTag == "1.1")
        #expect(pod.property("spec")?.property("restartPolicy")?.constraints.enumeration == ["Always", "Never", "OnFailure"])
        #expect(pod.property("metadata")?.typeName == "meta/v1.ObjectMeta")
    }

    @Test func refusesCyclesAndUnknownNames() {
        let catalog = SchemaCatalog(documents: [
            "a/v1": ["schemas": ["A": ["type": "object", "properties": ["b": ["$ref": "B"]]], "B": ["$ref": "A"], "C": ["$ref": "Nothing"], "D": ["type": "thing"]]]
        ])
        #expect { try catalog.schema("a/v1.A") } throws: { "\($0)" == "expected types without cycles, found a/v1.A -> a/v1.B -> a/v1.A" }
        #expect { try catalog.schema("a/v1.C") } throws: { "\($0)" == "expected a type named a/v1.Nothing, found none" }
        #expect { try catalog.schema("a/v1.D") } throws: { "\($0)".hasPrefix("expected a type to be object") }
    }
}
