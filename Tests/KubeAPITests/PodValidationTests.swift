import JSONTree
import KubeAPI
import Testing

@Suite struct PodValidationTests {
    private func errors(_ pod: JSON) throws -> [String] {
        let pods = try #require(Sample.definition)
        var pod = try pods.decode(pod).object
        pods.applyDefaults(to: &pod)
        return pods.validate(pod).map(\.description)
    }

    @Test func acceptsAPlainPod() throws {
        #expect(try errors(Sample.pod()) == [])
    }

    @Test func acceptsARichPod() throws {
        var pod = Sample.pod(spec: "volumes", [["name": "v", "emptyDir": [:]], ["name": "c", "configMap": ["name": "x"]]])
        pod["spec"]?["initContainers"] = [["name": "init", "image": "busybox:1", "restartPolicy": "Always", "startupProbe": ["exec": ["command": ["true"]]]]]
        pod["spec"]?["containers"]?.withArray { containers in
            containers[0]["volumeMounts"] = [["name": "v", "mountPath": "/v"], ["name": "c", "mountPath": "/c", "readOnly": true]]
            containers[0]["env"] = [
                ["name": "A.b-c", "value": ""], ["name": "N", "valueFrom": ["fieldRef": ["fieldPath": "metadata.labels['app']"]]],
                ["name": "A.b-c", "value": "again"],
            ]
            containers[0]["resources"] = ["limits": ["cpu": "1", "example.com/gpu": 1], "requests": ["cpu": "100m"]]
            containers[0]["livenessProbe"] = ["tcpSocket": ["port": "http"]]
            containers[0]["ports"] = [["name": "http", "containerPort": 80], ["containerPort": 53, "protocol": "UDP"]]
        }
        pod["spec"]?["tolerations"] = [["operator": "Exists"], ["key": "a", "effect": "NoExecute", "tolerationSeconds": 3]]
        #expect(try errors(pod) == [])
    }

    private static let label = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"

    static let containerCases: [(String, JSON, String)] = [
        ("name", "", "spec.containers[0].name: Required value"),
        ("name", "Web", "spec.containers[0].name: Invalid value: \"Web\": \(label)"),
        ("image", "", "spec.containers[0].image: Required value"),
        ("image", " a", "spec.containers[0].image: Invalid value: \" a\": must not have leading or trailing whitespace"),
        ("imagePullPolicy", "Sometimes",
         "spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\""),
        ("ports", [["containerPort": 70000]], "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"),
        ("ports", [["name": "x"]], "spec.containers[0].ports[0].containerPort: Required value"),
        ("ports", [["containerPort": 1, "protocol": "IP"]],
         "spec.containers[0].ports[0].protocol: Unsupported value: \"IP\": supported values: \"SCTP\", \"TCP\", \"UDP\""),
        ("ports", [["name": "a", "containerPort": 1], ["name": "a", "containerPort": 2]], "spec.containers[0].ports[1].name: Duplicate value: \"a\""),
        ("ports", [["name": "80", "containerPort": 1]], "spec.containers[0].ports[0].name: Invalid value: \"80\": must contain at least one letter (a-z)"),
        ("env", [["value": "x"]], "spec.containers[0].env[0].name: Required value"),
        ("env", [["name": "a=b"]],
         "spec.containers[0].env[0].name: Invalid value: \"a=b\": a valid environment variable name must consist only of printable ASCII characters other than '='"),
        ("env", [["name": "a", "value": "x", "valueFrom": ["fieldRef": ["fieldPath": "metadata.name"]]]],
         "spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty"),
        ("volumeMounts", [["name": "v", "mountPath": "/v"]], "spec.containers[0].volumeMounts[0].name: Not found: \"v\""),
        ("resources", ["limits": ["cpu": "1"], "requests": ["cpu": "2"]],
         "spec.containers[0].resources.requests[cpu]: Invalid value: \"2\": must be less than or equal to cpu limit of 1"),
        ("resources", ["requests": ["cpu": "-1"]], "spec.containers[0].resources.requests[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"),
        ("resources", ["requests": ["gold": "1"]], "spec.containers[0].resources.requests[gold]: Invalid value: \"gold\": must be a standard resource for containers"),
        ("resources", ["requests": ["a.b/gpu": "1"]],
         "spec.containers[0].resources.requests[a.b/gpu]: Required value: Limit must be set for non overcommitable resources"),
        ("livenessProbe", [:], "spec.containers[0].livenessProbe: Required value: must specify a handler type"),
        ("livenessProbe", ["tcpSocket": ["port": 1], "exec": ["command": ["x"]]],
         "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"),
        ("livenessProbe", ["exec": ["command": ["x"]], "successThreshold": 2],
         "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"),
        ("readinessProbe", ["tcpSocket": ["port": 0]],
         "spec.containers[0].readinessProbe.tcpSocket.port: Invalid value: 0: must be between 1 and 65535, inclusive"),
        ("readinessProbe", ["tcpSocket": [:]], "spec.containers[0].readinessProbe.tcpSocket.port: Required value"),
        ("lifecycle", ["preStop": ["exec": [:]]], "spec.containers[0].lifecycle.preStop.exec.command: Required value"),
        ("securityContext", ["seccompProfile": ["type": "Localhost"]],
         "spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost"),
        ("securityContext", ["runAsUser": -1],
         "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive"),
    ]

    @Test(arguments: containerCases)
    func refusesWrongContainers(key: String, value: JSON, message: String) throws {
        #expect(try errors(Sample.pod(container: key, value)) == [message])
    }

    static let specCases: [(String, JSON, String)] = [
        ("containers", [], "spec.containers: Required value"),
        ("restartPolicy", "Maybe", "spec.restartPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \"Never\", \"OnFailure\""),
        ("initContainers", [["name": "main", "image": "a"]], "spec.initContainers[0].name: Duplicate value: \"main\""),
        ("initContainers", [["name": "i", "image": "a", "readinessProbe": ["tcpSocket": ["port": 1]]]],
         "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always"),
        ("volumes", [["name": "v", "emptyDir": [:], "hostPath": ["path": "/"]]], "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type"),
        ("volumes", [["name": "v"], ["name": "v"]], "spec.volumes[1].name: Duplicate value: \"v\""),
        ("volumes", [["name": "v", "hostPath": ["path": ""]]], "spec.volumes[0].hostPath.path: Required value"),
        ("volumes", [["name": "v", "hostPath": ["path": "/a/../b"]]], "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"),
        ("volumes", [["name": "v", "configMap": [:]]], "spec.volumes[0].configMap.name: Required value"),
        ("volumes", [["name": "v", "secret": ["secretName": "s", "defaultMode": 1000]]],
         "spec.volumes[0].secret.defaultMode: Invalid value: 1000: must be between 0 and 511, inclusive"),
        ("volumes", [["name": "v", "configMap": ["name": "c", "items": [["key": "k", "path": "../x"]]]]],
         "spec.volumes[0].configMap.items[0].path: Invalid value: \"../x\": must not contain '..'"),
        ("dnsPolicy", "None", "spec.dnsConfig: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None"),
        ("hostAliases", [["ip": "1.2.3"]], "spec.hostAliases[0].ip: Invalid value: \"1.2.3\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"),
        ("tolerations", [["operator": "Equal"]],
         "spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty, which means \"match all values and all keys\""),
        ("terminationGracePeriodSeconds", -1, "spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0"),
        ("activeDeadlineSeconds", 0, "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"),
        ("hostname", "a.b", "spec.hostname: Invalid value: \"a.b\": \(label)"),
        ("nodeSelector", ["a b": "c"],
         "spec.nodeSelector: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"),
    ]

    @Test(arguments: specCases)
    func refusesWrongSpecs(key: String, value: JSON, message: String) throws {
        #expect(try errors(Sample.pod(spec: key, value)) == [message])
    }

    @Test func tellsEveryWrongField() throws {
        let pods = try #require(Sample.definition)
        var pod = Sample.pod(spec: "containers", [["image": "x"], ["name": "b"]])
        pod["metadata"]?["name"] = "Bad_Name"
        let errors = pods.validate(pod)
        #expect(errors.map(\.field) == ["metadata.name", "spec.containers[0].name", "spec.containers[1].image"])
        let status = StatusError.invalid(pods.reference, name: "Bad_Name", Array(errors.dropFirst()))
        #expect(status.message == "Pod \"Bad_Name\" is invalid: [spec.containers[0].name: Required value, spec.containers[1].image: Required value]")
        #expect(status.code == 422)
        #expect(status.json[path: "details", "causes"] == [
            ["reason": "FieldValueRequired", "message": "Required value", "field": "spec.containers[0].name"],
            ["reason": "FieldValueRequired", "message": "Required value", "field": "spec.containers[1].image"],
        ])
    }
}
