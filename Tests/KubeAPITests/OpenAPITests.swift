import JSONTree
import KubeAPI
import Testing

@Suite struct OpenAPITests {
    let documents = OpenAPIDocuments()

    private func v3() throws -> JSON { try JSON(parsing: #require(documents.v3(group: "", version: "v1"))) }

    @Test func indexNamesEveryGroupVersion() throws {
        let index = try JSON(parsing: documents.v3Index())
        #expect(index["paths"]?.object?.keys == ["api/v1"] + APIRegistry.builtIn.groupVersions.dropFirst().map { "apis/\($0.apiVersion)" })
        let address = try #require(index["paths"]?["apis/coordination.k8s.io/v1"]?["serverRelativeURL"]?.string)
        #expect(address.hasPrefix("/openapi/v3/apis/coordination.k8s.io/v1?hash="))
        #expect(documents.v3(group: "nothing", version: "v1") == nil)
        // The address changes with the content only.
        #expect(OpenAPIDocuments().v3Index() == documents.v3Index())
        #expect(OpenAPIDocuments(version: "v1.36.1").v3Index() != documents.v3Index())
    }

    /// kubectl skips validation of its own where it finds this parameter on a PATCH of the kind.
    @Test func patchesSayThatFieldsAreValidated() throws {
        let patch = try #require(try v3()["paths"]?["/api/v1/namespaces/{namespace}/pods/{name}"]?["patch"])
        #expect(patch["x-kubernetes-group-version-kind"] == ["group": "", "kind": "Pod", "version": "v1"])
        let names = patch["parameters"]?.array?.compactMap { $0["name"]?.string }
        #expect(names?.contains("fieldValidation") == true)
        #expect(patch["requestBody"]?["content"]?.object?.keys == [
            "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
            "application/apply-patch+yaml",
        ])
    }

    @Test func referencesLeadSomewhere() throws {
        for (document, prefix, place) in [
            (try v3(), "#/components/schemas/", try v3()["components"]?["schemas"]),
            (try JSON(parsing: documents.v2()), "#/definitions/", try JSON(parsing: documents.v2())["definitions"]),
        ] {
            var count = 0
            func walk(_ value: JSON) {
                switch value {
                case .array(let elements): elements.forEach(walk)
                case .object(let object):
                    for (key, member) in object {
                        if key == "$ref", let reference = member.string {
                            count += 1
                            #expect(reference.hasPrefix(prefix) && place?[String(reference.dropFirst(prefix.count))] != nil, "\(reference)")
                        }
                        walk(member)
                    }
                default: break
                }
            }
            walk(document)
            #expect(count > 300)
        }
    }

    @Test func schemasTellHowToMerge() throws {
        let schemas = try #require(try v3()["components"]?["schemas"])
        var containers = schemas["io.k8s.api.core.v1.PodSpec"]?["properties"]?["containers"]
        #expect(containers?["description"]?.string?.isEmpty == false)
        containers?["description"] = nil
        #expect(containers == [
            "type": "array", "items": ["$ref": "#/components/schemas/io.k8s.api.core.v1.Container"], "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"], "x-kubernetes-patch-merge-key": "name", "x-kubernetes-patch-strategy": "merge",
        ])
        #expect(schemas["io.k8s.api.core.v1.Pod"]?["x-kubernetes-group-version-kind"] == [["group": "", "kind": "Pod", "version": "v1"]])
        #expect(schemas["io.k8s.api.core.v1.Pod"]?["properties"]?["metadata"]?["allOf"]
            == [["$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]])
        #expect(schemas["io.k8s.api.core.v1.PodSpec"]?["properties"]?["securityContext"]?["allOf"]
            == [["$ref": "#/components/schemas/io.k8s.api.core.v1.PodSecurityContext"]])
        #expect(schemas["io.k8s.api.core.v1.PodList"]?["properties"]?["items"]?["items"] == ["$ref": "#/components/schemas/io.k8s.api.core.v1.Pod"])
        // Formats of our own stay inside.
        #expect(schemas["io.k8s.api.core.v1.Container"]?["properties"]?["name"]?["format"] == nil)
    }

    @Test func coordinationHasTheLease() throws {
        let document = try JSON(parsing: #require(documents.v3(group: "coordination.k8s.io", version: "v1")))
        #expect(document["components"]?["schemas"]?["io.k8s.api.coordination.v1.Lease"] != nil)
        #expect(document["components"]?["schemas"]?["io.k8s.api.core.v1.Pod"] == nil)
        #expect(document["paths"]?["/apis/coordination.k8s.io/v1/leases"]?["get"]?["x-kubernetes-action"] == "list")
    }

    /// `kubectl explain` has a text for every field of the kinds that people write.
    @Test(arguments: [
        ("", "Pod"), ("", "Service"), ("", "ConfigMap"), ("", "Secret"), ("", "Namespace"), ("", "Node"), ("apps", "Deployment"), ("apps", "ReplicaSet"),
    ])
    func everyFieldIsExplained(group: String, kind: String) throws {
        let document = try JSON(parsing: #require(documents.v3(group: group, version: "v1")))
        let schemas = try #require(document["components"]?["schemas"])
        var seen: Set<String> = []
        var pending = ["io.k8s.api.\(group.isEmpty ? "core" : group).v1.\(kind)"]
        while let name = pending.popLast() {
            guard seen.insert(name).inserted, let schema = schemas[name], let properties = schema["properties"]?.object else { continue }
            #expect(schema["description"]?.string?.isEmpty == false, "\(name)")
            for (field, property) in properties {
                #expect(property["description"]?.string?.isEmpty == false, "\(name).\(field)")
                for reference in [property["$ref"], property["items"]?["$ref"], property["allOf"]?[0]?["$ref"]] {
                    if let reference = reference?.string { pending.append(String(reference.dropFirst("#/components/schemas/".count))) }
                }
            }
        }
        #expect(seen.count > 2)
    }
}
