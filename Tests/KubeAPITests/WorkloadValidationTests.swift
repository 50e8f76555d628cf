import JSONTree
import KubeAPI
import Testing

/// Rules of the kinds of the web application, in Kubernetes' words.
@Suite struct WorkloadValidationTests {
    private func definition(_ apiVersion: String, _ kind: String) throws -> ResourceDefinition {
        try #require(APIRegistry.builtIn.definition(apiVersion: apiVersion, kind: kind))
    }

    private func complete(_ definition: ResourceDefinition, _ body: JSON) throws -> JSON {
        var object = try definition.decode(body).object
        if object["metadata"]?["name"] == nil { object["metadata"] = ["name": "a"] }
        if definition.namespaced { object["metadata"]?["namespace"] = "n" }
        definition.applyDefaults(to: &object)
        return object
    }

    private func errors(_ apiVersion: String, _ kind: String, _ body: JSON) throws -> [String] {
        let definition = try definition(apiVersion, kind)
        return definition.validate(try complete(definition, body)).map(\.description)
    }

    private static func deployment(_ change: (inout JSON) -> Void = { _ in }) -> JSON {
        var spec: JSON = [
            "selector": ["matchLabels": ["app": "a"]],
            "template": ["metadata": ["labels": ["app": "a"]], "spec": ["containers": [["name": "c", "image": "i"]]]],
        ]
        change(&spec)
        return ["spec": spec]
    }

    static let deployments: [(JSON, [String])] = [
        (deployment(), []),
        (deployment { $0["selector"] = nil }, ["spec.selector: Required value"]),
        (deployment { $0["selector"] = [:] }, ["spec.selector: Invalid value: {}: empty selector is invalid for deployment"]),
        (deployment { $0["selector"] = ["matchLabels": ["app": "b"]] },
         ["spec.template.metadata.labels: Invalid value: {\"app\":\"a\"}: `selector` does not match template `labels`"]),
        (deployment { $0["selector"] = ["matchLabels": ["app": "a"], "matchExpressions": [["key": "b", "operator": "In"]]] }, [
            "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
            "spec.template.metadata.labels: Invalid value: {\"app\":\"a\"}: `selector` does not match template `labels`",
        ]),
        (deployment { $0["template"]?["spec"]?["restartPolicy"] = "Never" },
         ["spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\""]),
        (deployment { $0["template"]?["spec"]?["containers"] = [["image": "i"]] }, ["spec.template.spec.containers[0].name: Required value"]),
        (deployment { $0["replicas"] = -1 }, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
        (deployment { $0["strategy"] = ["type": "Recreate", "rollingUpdate": [:]] },
         ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"]),
        (deployment { $0["strategy"] = ["rollingUpdate": ["maxSurge": 0, "maxUnavailable": "0%"]] },
         ["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0"]),
        (deployment { $0["strategy"] = ["rollingUpdate": ["maxUnavailable": "101%"]] },
         ["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%"]),
        (deployment { $0["strategy"] = ["type": "Slow"] }, ["spec.strategy.type: Unsupported value: \"Slow\": supported values: \"Recreate\", \"RollingUpdate\""]),
        (deployment { $0["minReadySeconds"] = 600 }, ["spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"]),
    ]

    @Test(arguments: deployments)
    func validatesDeployments(body: JSON, expected: [String]) throws {
        #expect(try errors("apps/v1", "Deployment", body) == expected)
    }

    @Test(arguments: [("apps/v1", "Deployment"), ("apps/v1", "ReplicaSet")])
    func selectorsStay(apiVersion: String, kind: String) throws {
        let definition = try definition(apiVersion, kind)
        let old = try complete(definition, Self.deployment())
        var new = old
        new["spec"]?["selector"] = ["matchLabels": ["app": "a", "tier": "b"]]
        new["spec"]?["template"]?["metadata"]?["labels"] = ["app": "a", "tier": "b"]
        #expect(definition.validateUpdate(new, from: old).map(\.description)
            == ["spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"a\",\"tier\":\"b\"}}: field is immutable"])
    }

    private static func service(_ spec: JSON) -> JSON { ["spec": spec] }

    static let services: [(JSON, [String])] = [
        (service(["ports": [["port": 80]]]), []),
        (service([:]), ["spec.ports: Required value"]),
        (service(["clusterIP": "None"]), []),
        (service(["ports": [["port": 0]]]), ["spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"]),
        (service(["ports": [["port": 70000]]]), ["spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive"]),
        (service(["ports": [["port": 80], ["port": 81]]]), ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"]),
        (service(["ports": [["port": 80, "name": "a"], ["port": 81, "name": "a"]]]), ["spec.ports[1].name: Duplicate value: \"a\""]),
        (service(["ports": [["port": 80, "name": "a"], ["port": 80, "name": "b"]]]), ["spec.ports[1]: Duplicate value: {\"protocol\":\"TCP\",\"port\":80}"]),
        (service(["ports": [["port": 80, "protocol": "ICMP"]]]), ["spec.ports[0].protocol: Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\""]),
        (service(["ports": [["port": 80, "targetPort": "no_name"]]]), [
            "spec.ports[0].targetPort: Invalid value: \"no_name\": must contain only alphanumeric characters (a-z, 0-9), and hyphens (-)"
        ]),
        (service(["ports": [["port": 80, "nodePort": 30000]]]), ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]),
        (service(["type": "NodePort", "clusterIP": "None", "ports": [["port": 80]]]),
         ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"]),
        (service(["type": "ExternalName"]), ["spec.externalName: Required value"]),
        (service(["type": "ExternalName", "externalName": "example.org"]), []),
        (service(["type": "Magic", "ports": [["port": 80]]]),
         ["spec.type: Unsupported value: \"Magic\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\""]),
        (service(["clusterIP": "nowhere", "ports": [["port": 80]]]),
         ["spec.clusterIPs[0]: Invalid value: \"nowhere\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]),
        (service(["externalTrafficPolicy": "Local", "ports": [["port": 80]]]),
         ["spec.externalTrafficPolicy: Invalid value: \"Local\": may only be set for externally-accessible services"]),
        (service(["sessionAffinity": "ClientIP", "sessionAffinityConfig": ["clientIP": ["timeoutSeconds": 0]], "ports": [["port": 80]]]),
         ["spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than 86400"]),
        (service(["externalIPs": ["127.0.0.1"], "ports": [["port": 80]]]),
         ["spec.externalIPs[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range (127.0.0.0/8, ::1/128)"]),
    ]

    @Test(arguments: services)
    func validatesServices(body: JSON, expected: [String]) throws {
        #expect(try errors("v1", "Service", body) == expected)
    }

    @Test func serviceNamesBeginWithALetter() throws {
        #expect(try errors("v1", "Service", ["metadata": ["name": "1a"], "spec": ["ports": [["port": 80]]]]).first?
            .hasPrefix("metadata.name: Invalid value: \"1a\": a DNS-1035 label must consist of") == true)
    }

    static let policies: [(JSON, [String])] = [
        (["podSelector": [:], "ingress": [["from": [["podSelector": [:]]], "ports": [["port": 80, "endPort": 90]]]]], []),
        (["ingress": [["from": [[:]]]]], ["spec.ingress[0].from[0]: Required value: must specify a peer"]),
        (["ingress": [["from": [["podSelector": [:], "ipBlock": ["cidr": "10.0.0.0/8"]]]]]],
         ["spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer"]),
        (["egress": [["to": [["ipBlock": ["cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]]]]]]],
         ["spec.egress[0].to[0].ipBlock.except[0]: Invalid value: \"11.0.0.0/16\": must be a strict subset of `cidr`"]),
        (["ingress": [["ports": [["port": 80, "endPort": 79]]]]],
         ["spec.ingress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`"]),
        (["ingress": [["ports": [["port": "web", "endPort": 80]]]]],
         ["spec.ingress[0].ports[0].endPort: Invalid value: 80: may not be specified when `port` is non-numeric"]),
        (["policyTypes": ["Sideways"]], ["spec.policyTypes[0]: Unsupported value: \"Sideways\": supported values: \"Egress\", \"Ingress\""]),
    ]

    @Test(arguments: policies)
    func validatesPolicies(spec: JSON, expected: [String]) throws {
        #expect(try errors("networking.k8s.io/v1", "NetworkPolicy", ["spec": spec]) == expected)
    }

    private static let rbac = "rbac.authorization.k8s.io/v1"

    @Test func validatesRoles() throws {
        #expect(try errors(Self.rbac, "Role", ["rules": [["verbs": ["get"], "apiGroups": [""], "resources": ["pods"]]]]) == [])
        #expect(try errors(Self.rbac, "Role", ["rules": [["resources": ["pods"]]]]) == [
            "rules[0].verbs: Required value: verbs must contain at least one value",
            "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
        ])
        #expect(try errors(Self.rbac, "Role", ["rules": [["verbs": ["get"], "nonResourceURLs": ["/a"]]]]) == [
            "rules[0].nonResourceURLs: Invalid value: [\"/a\"]: namespaced rules cannot apply to non-resource URLs"
        ])
        #expect(try errors(Self.rbac, "ClusterRole", ["metadata": ["name": "a%b"]]) == ["metadata.name: Invalid value: \"a%b\": may not contain '%'"])
    }

    @Test func validatesBindings() throws {
        let role: JSON = ["kind": "Role", "name": "r"]
        #expect(try errors(Self.rbac, "RoleBinding", ["roleRef": role, "subjects": [["kind": "User", "name": "u"]]]) == [])
        #expect(try errors(Self.rbac, "ClusterRoleBinding", ["roleRef": role]) == ["roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\""])
        #expect(try errors(Self.rbac, "RoleBinding", ["roleRef": role, "subjects": [["kind": "ServiceAccount", "name": "s"], ["kind": "Robot", "name": "r"]]]) == [
            "subjects[0].namespace: Required value",
            "subjects[1].kind: Unsupported value: \"Robot\": supported values: \"Group\", \"ServiceAccount\", \"User\"",
        ])
        let definition = try definition(Self.rbac, "RoleBinding")
        let old = try complete(definition, ["roleRef": role])
        var new = old
        new["roleRef"]?["name"] = "other"
        #expect(definition.validateUpdate(new, from: old).map(\.description) == [
            "roleRef: Invalid value: {\"kind\":\"Role\",\"name\":\"other\",\"apiGroup\":\"rbac.authorization.k8s.io\"}: cannot change roleRef"
        ])
    }

    @Test func validatesEndpointSlices() throws {
        let slices = "discovery.k8s.io/v1"
        #expect(try errors(slices, "EndpointSlice", ["addressType": "IPv4", "endpoints": [["addresses": ["10.0.0.1"]]]]) == [])
        #expect(try errors(slices, "EndpointSlice", ["endpoints": []]) == ["addressType: Required value"])
        #expect(try errors(slices, "EndpointSlice", ["addressType": "IPv4", "endpoints": [["addresses": ["fd00::1"]], ["addresses": []]], "ports": [["port": 1], ["port": 2]]]) == [
            "endpoints[0].addresses[0]: Invalid value: \"fd00::1\": must be a valid IPv4 address",
            "endpoints[1].addresses: Required value: must contain at least 1 address",
            "ports[1].name: Duplicate value: \"\"",
        ])
    }
}

@Suite struct AddressRangeTests {
    @Test func readsAndCounts() throws {
        let range = try #require(AddressRange("10.96.3.4/16"))
        #expect(range.description == "10.96.0.0/16")
        #expect(range.count == 65_536)
        #expect(AddressRange.text(of: range.address(at: 258)) == "10.96.1.2")
        #expect(range.offset(of: [10, 96, 1, 2]) == 258)
        #expect(range.offset(of: [10, 97, 1, 2]) == nil)
        let address = try #require(AddressRange.bytes(of: "fd00::5"))
        #expect(AddressRange("fd00::/64")?.contains(address) == true)
        for text in ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/+8", "x/8", "fd00::/129"] { #expect(AddressRange(text) == nil) }
    }
}
