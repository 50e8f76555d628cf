import JSONTree
import KubeAPI
import Testing

@Suite struct FieldRequirementsTests {
    static let matchCases: [(String, Bool)] = [
        ("", true), ("metadata.name=web", true), ("metadata.name==web", true), ("metadata.name!=web", false), ("spec.nodeName=", true),
        ("spec.nodeName!=", false), ("status.phase=Running,metadata.namespace=default", true), ("status.phase=Running,metadata.name=x", false),
        ("spec.hostNetwork=false", true), ("spec.hostNetwork=true", false), (#"spec.serviceAccountName=a\,b\=c\\d"#, true),
    ]

    @Test(arguments: matchCases)
    func matches(text: String, expected: Bool) throws {
        let pods = try #require(Sample.definition)
        let pod = Sample.pod {
            $0["status"] = ["phase": "Running"]
            $0["spec"]?["serviceAccountName"] = #"a,b=c\d"#
        }
        let requirements = try FieldRequirements(parsing: text)
        try requirements.check(against: pods)
        #expect(requirements.matches(pod, pods) == expected)
        #expect(try FieldRequirements(parsing: requirements.description) == requirements)
    }

    @Test func refusesFieldsThatAreNotSelectable() throws {
        let maps = try #require(APIRegistry.builtIn.definition(apiVersion: "v1", kind: "ConfigMap"))
        #expect { try FieldRequirements(parsing: "data.x=1").check(against: maps) } throws: {
            "\($0)" == "\"data.x\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
        }
        #expect { try FieldRequirements(parsing: "metadata.name") } throws: { "\($0)".hasPrefix("invalid selector: 'metadata.name'") }
        #expect { try FieldRequirements(parsing: "a=b=c") } throws: { "\($0)".contains("unescaped character") }
        #expect { try FieldRequirements(parsing: #"a=b\x"#) } throws: { "\($0)".contains("invalid escape sequence") }
    }

    @Test func knowsExactValuesAndSources() throws {
        #expect(try FieldRequirements(parsing: "spec.nodeName=n,status.phase!=x").exactValue(of: "spec.nodeName") == "n")
        #expect(try FieldRequirements(parsing: "status.phase!=x").exactValue(of: "status.phase") == nil)
        let events = try #require(APIRegistry.builtIn.definition(apiVersion: "v1", kind: "Event"))
        #expect(try FieldRequirements(parsing: "source=kubelet").matches(["source": ["component": "kubelet"]], events))
    }
}
