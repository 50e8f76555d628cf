import JSONTree
import KubeAPI
import Testing

@Suite struct LabelRequirementsTests {
    static let matchCases: [(String, [String: String], Bool)] = [
        ("", [:], true), ("", ["a": "b"], true), ("a=b", ["a": "b"], true), ("a=b", ["a": "c"], false), ("a=b", [:], false), ("a==b", ["a": "b"], true),
        ("a!=b", ["a": "b"], false), ("a!=b", ["a": "c"], true), ("a!=b", [:], true), ("a", ["a": ""], true), ("a", [:], false), ("!a", [:], true),
        ("!a", ["a": "x"], false), ("a in (b, c)", ["a": "c"], true), ("a in (b,c)", ["a": "d"], false), ("a in (b,c)", [:], false),
        ("a notin (b,c)", ["a": "c"], false), ("a notin (b,c)", [:], true), ("a=", ["a": ""], true), ("a=", ["a": "x"], false), ("a in (,b)", ["a": ""], true),
        ("a>1", ["a": "2"], true), ("a>1", ["a": "1"], false), ("a<1", ["a": "0"], true), ("a>1", ["a": "x"], false),
        ("a=b,c!=d, e in (f) ,!g", ["a": "b", "e": "f"], true), ("a=b,c!=d", ["a": "b", "c": "d"], false),
        ("example.com/a=b", ["example.com/a": "b"], true), ("in=in", ["in": "in"], true),
    ]

    @Test(arguments: matchCases)
    func matches(text: String, labels: [String: String], expected: Bool) throws {
        let requirements = try LabelRequirements(parsing: text)
        #expect(requirements.matches(labels) == expected)
        #expect(try LabelRequirements(parsing: requirements.description) == requirements)
        let object: JSON = ["metadata": ["labels": .object(JSONObject(labels.map { ($0.key, .string($0.value)) }))]]
        #expect(requirements.matches(labelsOf: object) == expected)
    }

    static let refusals: [(String, String)] = [
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"), ("a=b,", "unable to parse requirement: found '', expected: identifier after ','"),
        ("=b", "unable to parse requirement: found '=', expected: identifier"), ("a in b", "unable to parse requirement: found 'b', expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"), ("a>x", "for 'Gt', 'Lt' operators, the value must be an integer"),
        ("a=b c", "unable to parse requirement: found 'c', expected: ','"),
    ]

    @Test(arguments: refusals)
    func refuses(text: String, message: String) {
        #expect { try LabelRequirements(parsing: text) } throws: { "\($0)" == message }
    }

    @Test func refusesWhatNoLabelCanBe() {
        #expect { try LabelRequirements(parsing: "a/b/c=d") } throws: { "\($0)".contains("key: Invalid value: \"a/b/c\"") }
        #expect { try LabelRequirements(parsing: "a=-b") } throws: { "\($0)".contains("values[0]: Invalid value: \"-b\"") }
    }

    @Test func readsSelectorObjects() throws {
        let selector: JSON = [
            "matchLabels": ["a": "b"],
            "matchExpressions": [["key": "c", "operator": "NotIn", "values": ["d"]], ["key": "e", "operator": "Exists"], ["key": "f", "operator": "DoesNotExist"]],
        ]
        let requirements = try LabelRequirements(selector: selector)
        #expect(requirements.description == "a=b,c!=d,e,!f")
        #expect(requirements.matches(["a": "b", "e": ""]))
        #expect(!requirements.matches(["a": "b"]))
        #expect(try LabelRequirements(selector: [:]).matches([:]))
        #expect { try LabelRequirements(selector: ["matchExpressions": [["key": "a", "operator": "Like"]]]) } throws: {
            "\($0)" == "\"Like\" is not a valid label selector operator"
        }
    }
}
