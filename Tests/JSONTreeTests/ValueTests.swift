import JSONTree
import Testing

@Suite struct ValueTests {
    @Test(arguments: ["0", "-0", "1.50", "1E+3", "9007199254740993", "123456789012345678901234567890", "0.1"])
    func numbersStayAsWritten(text: String) throws {
        let value = try JSON(parsing: text)
        #expect(value.description == text)
        #expect(value.double == Double(text))
        #expect(JSONNumber(text: text)?.text == text)
    }

    @Test func numbersConvert() {
        #expect(JSON.number(JSONNumber(2.0)).description == "2")
        #expect(JSON.number(JSONNumber(0.25)).description == "0.25")
        #expect(JSON.number(JSONNumber(Double.nan)).description == "null")
        #expect(JSON(1.5).int == nil)
        #expect(JSONNumber(text: "1x") == nil)
        #expect(JSONNumber(text: "") == nil)
        #expect(JSONNumber(text: "1e0").map { JSONNumber(1).isNumericallyEqual(to: $0) } == true)
        #expect(JSONNumber(1).isNumericallyEqual(to: JSONNumber(2)) == false)
        #expect(JSONNumber(text: "9223372036854775808")?.int64 == nil)
    }

    @Test func membersKeepTheirOrder() throws {
        let text = #"{"z":1,"a":{"y":2,"b":3},"m":[]}"#
        var value = try JSON(parsing: text)
        #expect(value.description == text)
        value["a"]?["y"] = nil
        value["n"] = "new"
        value["z"] = true
        #expect(value.description == #"{"z":true,"a":{"b":3},"m":[],"n":"new"}"#)
    }

    @Test func equalityIgnoresOrder() throws {
        let left = try JSON(parsing: #"{"a":1,"b":[{"c":1,"d":2}]}"#)
        let right = try JSON(parsing: #"{"b":[{"d":2,"c":1}],"a":1}"#)
        #expect(left == right)
        #expect(left.hashValue == right.hashValue)
        #expect(left != (try JSON(parsing: #"{"b":[{"d":2,"c":2}],"a":1}"#)))
        #expect(JSON.array([1, 2]) != [2, 1])
    }

    @Test func subscriptsReachAndSet() {
        var value: JSON = ["metadata": ["labels": ["app": "web"]], "items": [1, 2]]
        #expect(value[path: "metadata", "labels", "app"] == "web")
        #expect(value[path: "metadata", "nothing", "app"] == nil)
        #expect(value["items"]?[1] == 2)
        #expect(value["items"]?[2] == nil)
        value["metadata"]?["labels"]?["app"] = nil
        #expect(value["metadata"]?["labels"] == [:])
        var scalar: JSON = "x"
        scalar["a"] = nil
        #expect(scalar == "x")
        scalar["a"] = 1
        #expect(scalar == ["a": 1])
        value["absent"]?["b"] = 1
        #expect(value["absent"] == nil)
        value["items"]?.withArray { $0.append(3) }
        _ = value.withObject { $0["items"]?.withArray { $0.append(4) } }
        #expect(value["items"] == [1, 2, 3, 4])
    }

    @Test func changesInPlaceDoNotCopy() {
        var value: JSON = ["a": ["list": .array(Array(repeating: 1, count: 20_000))]]
        // Quadratic if each step copied the list.
        for index in 0..<20_000 { value["a"]?["list"]?.withArray { $0[index] = 2 } }
        #expect(value[path: "a", "list"]?.array?.allSatisfy { $0 == 2 } == true)
    }

    @Test func largeObjectsIndexTheirMembers() {
        var object = JSONObject()
        for index in 0..<100 { object["k\(index)"] = JSON(index) }
        #expect(object.keys == (0..<100).map { "k\($0)" })
        for index in stride(from: 0, to: 100, by: 2) { object["k\(index)"] = nil }
        #expect(object.count == 50)
        #expect(object["k51"] == 51)
        #expect(object["k50"] == nil)
        object.removeAll { $0.value.int.map { $0 > 20 } ?? true }
        #expect(object.keys == (0..<10).map { "k\($0 * 2 + 1)" })
        object["k1"] = "again"
        #expect(object.removeValue(forKey: "k1") == "again")
        #expect(object.sortedByKey().keys == object.keys.sorted())
    }

    /// One letter written in two ways: equal texts for Swift, two keys for JSON.
    @Test(arguments: [1, 50])
    func keysAreEqualByTheirBytes(others: Int) throws {
        let text = "{" + (0..<others).map { "\"k\($0)\":0," }.joined() + "\"\u{E9}\":1,\"e\u{301}\":2}"
        let value = try JSON(parsing: text)
        #expect(value["\u{E9}"] == 1)
        #expect(value["e\u{301}"] == 2)
        #expect(value.object?.count == others + 2)
        #expect(value.description == text)
    }

    @Test func writesEscapes() throws {
        let text = "\u{0}\u{1f}\"\\/\n\r\t\u{8}\u{c}\u{7f}é😀 plain text that goes on for a while"
        #expect(JSON(text).description == #""\u0000\u001f\"\\/\n\r\t\b\f"# + "\u{7f}é😀 plain text that goes on for a while\"")
        #expect(try JSON(parsing: JSON(text).bytes()) == JSON(text))
    }

    @Test func errorsKnowTheirPath() {
        let error = JSONError.wrongType(expected: "string", found: 1).inside("image").inside(0).inside("containers").inside("spec")
        #expect(error.description == "spec.containers[0].image: expected string, found number")
    }
}
