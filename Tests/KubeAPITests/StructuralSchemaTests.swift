import JSONTree
import KubeAPI
import Testing

@Suite struct StructuralSchemaTests {
    private func problems(_ schema: JSON) -> [String] { StructuralSchema.problems(schema, at: FieldPath("schema")).map(\.description) }

    static let cases: [(JSON, [String])] = [
        (["type": "object", "properties": ["a": ["type": "string"]]], []),
        ([:], ["schema.type: Required value: must not be empty at the root"]),
        (["type": "array"], ["schema.type: Invalid value: \"array\": must be object at the root", "schema.items: Required value: must be specified"]),
        (["type": "object", "properties": ["a": [:]]], ["schema.properties[a].type: Required value: must not be empty for specified object fields"]),
        (["type": "object", "properties": ["a": ["x-kubernetes-preserve-unknown-fields": true], "b": ["x-kubernetes-int-or-string": true]]], []),
        (["type": "object", "properties": ["a": ["type": "array", "items": [:]]]],
         ["schema.properties[a].items.type: Required value: must not be empty for specified array items"]),
        (["type": "object", "properties": ["a": ["$ref": "#/b", "type": "string"]]], ["schema.properties[a].$ref: Forbidden: $ref is not supported"]),
        (["type": "object", "additionalProperties": false], ["schema.additionalProperties: Forbidden: additionalProperties cannot be set to false"]),
        (["type": "object", "properties": ["a": ["type": "integer", "anyOf": [["type": "string"]]]]],
         ["schema.properties[a].anyOf[0].type: Forbidden: must be empty to be structural"]),
        (["type": "object", "properties": ["a": ["type": "integer", "default": "x"]]],
         ["schema.properties[a].default: Invalid value: \"string\": schema.properties[a].default in body must be of type integer: \"string\""]),
        (["type": "object", "properties": ["a": ["type": "string", "x-kubernetes-validations": [["rule": "self == 'a'"]]]]],
         ["schema.properties[a].x-kubernetes-validations: Forbidden: validation rules in CEL are not supported by this server"]),
        (["type": "object", "properties": ["a": ["type": "array", "items": ["type": "object"], "x-kubernetes-list-type": "map"]]],
         ["schema.properties[a].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map"]),
        (["type": "object", "properties": ["metadata": ["type": "object", "properties": ["labels": ["type": "object"]]]]],
         ["schema.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified"]),
    ]

    @Test(arguments: cases)
    func tells(schema: JSON, expected: [String]) {
        #expect(problems(schema) == expected)
    }
}

@Suite struct PrinterPathTests {
    static let object: JSON = [
        "spec": ["replicas": 3, "ports": [["port": 80], ["port": 81]]], "metadata": ["labels": ["a.b/c": "x"]],
        "status": ["conditions": [["type": "Done", "status": "False"], ["type": "Ready", "status": "True"]]],
    ]

    @Test(arguments: [
        (".spec.replicas", JSON(3)), (".spec.ports[1].port", JSON(81)), (".spec.ports[*].port", JSON(80)),
        (".metadata.labels['a.b/c']", JSON("x")), (".metadata.labels.a\\.b/c", JSON("x")),
        (".status.conditions[?(@.type==\"Ready\")].status", JSON("True")), (".status.conditions[?(@.type == 'Done')].status", JSON("False")),
    ])
    func finds(path: String, value: JSON) {
        #expect(PrinterPath(path)?.value(in: Self.object) == value)
    }

    @Test(arguments: ["", "spec", ".spec[", ".spec[x]", ".", ".a..b"])
    func refuses(path: String) {
        #expect(PrinterPath(path) == nil)
    }

    @Test func findsNothing() {
        #expect(PrinterPath(".spec.none.deeper")?.value(in: Self.object) == nil)
    }
}
