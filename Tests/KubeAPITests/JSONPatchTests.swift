import JSONTree
import KubeAPI
import Testing

@Suite struct JSONPatchTests {
    static let document: JSON = ["a": ["b": [1, 2, 3], "c/d": ["~": "x"]], "e": nil]

    static let results: [(JSON, JSON)] = [
        ([["op": "add", "path": "/f", "value": 1]], ["a": ["b": [1, 2, 3], "c/d": ["~": "x"]], "e": nil, "f": 1]),
        ([["op": "add", "path": "/a/b/1", "value": 9]], ["a": ["b": [1, 9, 2, 3], "c/d": ["~": "x"]], "e": nil]),
        ([["op": "add", "path": "/a/b/-", "value": 9]], ["a": ["b": [1, 2, 3, 9], "c/d": ["~": "x"]], "e": nil]),
        ([["op": "add", "path": "/a/b/3", "value": 9]], ["a": ["b": [1, 2, 3, 9], "c/d": ["~": "x"]], "e": nil]),
        ([["op": "remove", "path": "/a/b/0"]], ["a": ["b": [2, 3], "c/d": ["~": "x"]], "e": nil]),
        ([["op": "remove", "path": "/a/c~1d/~0"]], ["a": ["b": [1, 2, 3], "c/d": [:]], "e": nil]),
        ([["op": "replace", "path": "/a/b/2", "value": nil]], ["a": ["b": [1, 2, nil], "c/d": ["~": "x"]], "e": nil]),
        ([["op": "replace", "path": "", "value": [1]]], [1]),
        ([["op": "move", "from": "/a/b", "path": "/g"]], ["a": ["c/d": ["~": "x"]], "e": nil, "g": [1, 2, 3]]),
        ([["op": "copy", "from": "/a/b/0", "path": "/a/b/-"]], ["a": ["b": [1, 2, 3, 1], "c/d": ["~": "x"]], "e": nil]),
        ([["op": "test", "path": "/a/b", "value": [1.0, 2, 30e-1]], ["op": "remove", "path": "/a"]], ["e": nil]),
        ([["op": "test", "path": "/absent", "value": nil]], document),
        ([], document),
    ]

    @Test(arguments: results)
    func applies(patch: JSON, result: JSON) throws {
        #expect(try PatchType.json.apply(patch, to: Self.document, schema: #require(Sample.definition).schema) == result)
    }

    static let refusals: [(JSON, String)] = [
        ([["op": "remove", "path": "/x/y"]], "remove operation does not apply: doc is missing path: \"/x/y\""),
        ([["op": "replace", "path": "/a/b/3", "value": 1]], "replace operation does not apply: doc is missing path: \"/a/b/3\""),
        ([["op": "add", "path": "/a/b/4", "value": 1]], "add operation does not apply: doc is missing path: \"/a/b/4\""),
        ([["op": "add", "path": "/a/b/01", "value": 1]], "add operation does not apply: doc is missing path: \"/a/b/01\""),
        ([["op": "add", "path": "/e/x", "value": 1]], "add operation does not apply: doc is missing path: \"/e/x\""),
        ([["op": "test", "path": "/a/b/0", "value": 2]], "testing value /a/b/0 failed: expected 2, found 1"),
        ([["op": "move", "from": "/a", "path": "/a/b/c"]], "move operation does not apply: /a/b/c is inside of /a"),
        ([["op": "swim", "path": "/a"]], "unexpected kind of JSON patch operation: \"swim\""),
        ([["op": "add", "path": "/a"]], "expected operation 0 of the JSON patch to have a \"value\""),
        ([["op": "add", "path": "a", "value": 1]], "expected a JSON pointer to start with '/', found \"a\""),
        (["op": "add"], "expected a JSON patch to be an array of operations, found object"),
        (.array(Array(repeating: ["op": "test", "path": "", "value": 1], count: 10_001)), "the allowed maximum operations in a JSON patch is 10000, got 10001"),
    ]

    @Test(arguments: refusals)
    func refuses(patch: JSON, message: String) {
        #expect { try JSONPatch(patch).apply(to: Self.document) } throws: { "\($0)" == message }
    }

    static let merges: [(JSON, JSON, JSON)] = [
        (["a": "b"], ["a": "c"], ["a": "c"]), (["a": "b"], ["b": "c"], ["a": "b", "b": "c"]), (["a": "b"], ["a": nil], [:]),
        (["a": "b", "b": "c"], ["a": nil], ["b": "c"]), (["a": ["b"]], ["a": "c"], ["a": "c"]), (["a": "c"], ["a": ["b"]], ["a": ["b"]]),
        (["a": ["b": "c"]], ["a": ["b": "d", "c": nil]], ["a": ["b": "d"]]), (["a": [["b": "c"]]], ["a": [1]], ["a": [1]]),
        (["e": nil], ["a": 1], ["e": nil, "a": 1]), ([:], ["a": ["bb": ["ccc": nil]]], ["a": ["bb": [:]]]), (["a": "b"], ["a": ["c": "d"]], ["a": ["c": "d"]]),
    ]

    @Test(arguments: merges)
    func mergesAsRFC7386(document: JSON, patch: JSON, result: JSON) throws {
        #expect(try PatchType.merge.apply(patch, to: document, schema: #require(Sample.definition).schema) == result)
    }

    @Test func mediaTypes() {
        #expect(PatchType(contentType: "application/merge-patch+json; charset=utf-8") == .merge)
        #expect(PatchType(contentType: "application/strategic-merge-patch+json") == .strategicMerge)
        #expect(PatchType(contentType: "application/json") == nil)
    }
}
