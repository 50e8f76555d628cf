import JSONTree
import Testing

@Suite struct ParsingTests {
    static let readings: [(String, JSON)] = [
        ("null", JSON.null), ("true", true), ("false", false), ("0", 0), ("-12", -12), (" \n\t\r7 ", 7),
        ("\"\"", ""), (#""a""#, "a"), (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"), (#""\u00e9\u20AC""#, "é€"),
        (#""\ud83d\ude00!""#, "😀!"), ("\"wörld\"", "wörld"), ("[]", []), ("[1,[2],{}]", [1, [2], [:]]),
        (#"{"a":{"b":[true,null]},"c":"d"}"#, ["a": ["b": [true, nil]], "c": "d"]),
        (#"{ "long key of many bytes" : "long value, eight by eight, until \n an escape" }"#,
         ["long key of many bytes": "long value, eight by eight, until \n an escape"]),
    ]

    @Test(arguments: readings)
    func reads(text: String, value: JSON) throws {
        #expect(try JSON(parsing: text) == value)
        #expect(try JSON(parsing: Array(text.utf8).lazy.map { $0 }) == value)
    }

    static let refusals: [(String, JSONError.Code, Int)] = [
        ("", .truncated, 0), ("  ", .truncated, 2), ("[1,", .truncated, 3), ("{\"a\"", .truncated, 4), ("\"abc", .truncated, 4),
        ("tru", .truncated, 3), ("-", .truncated, 1), ("1.", .truncated, 2), ("1e", .truncated, 2), (#""\u12"#, .truncated, 5), (#""\"#, .truncated, 2),
        ("01", .syntax, 1), ("+1", .syntax, 0), (".5", .syntax, 0), ("1.e5", .syntax, 2), ("1e+x", .syntax, 3), ("NaN", .syntax, 0),
        ("trux", .syntax, 3), ("[1,]", .syntax, 3), ("[1 2]", .syntax, 3), ("{,}", .syntax, 1), ("{\"a\":1,}", .syntax, 7), ("{'a':1}", .syntax, 1),
        ("{\"a\" 1}", .syntax, 5), ("1 2", .syntax, 2), ("\"a\nb\"", .syntax, 2), (#""\x""#, .syntax, 2), (#""\uzzzz""#, .syntax, 3),
        (#""\ud800""#, .invalidUnicode, 1), (#""\udc00""#, .invalidUnicode, 1), (#""\ud800\u0041""#, .invalidUnicode, 1),
        (#"{"a":1,"a":2}"#, .duplicateKey, 8), ("// c", .syntax, 0), ("\u{FEFF}1", .syntax, 0),
    ]

    @Test(arguments: refusals)
    func refuses(text: String, code: JSONError.Code, offset: Int) {
        #expect { try JSON(parsing: text) } throws: { error in
            let error = error as? JSONError
            return error?.code == code && error?.offset == offset
        }
    }

    @Test func saysWhatGoSays() {
        #expect(message("{\"a\":}") == "invalid character '}' looking for beginning of value at byte 5")
        #expect(message("{\"a\":1") == "unexpected end of JSON input at byte 6")
        #expect(message("[1}") == "invalid character '}' after array element at byte 2")
        #expect(message("nul\u{1}") == "invalid character 0x1 in literal null at byte 3")
    }

    @Test(arguments: [[0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82]] as [[UInt8]])
    func refusesInvalidUTF8(bytes: [UInt8]) {
        for prefix in ["", "a plain beginning", "\\n"] {
            let text = [0x22] + Array(prefix.utf8) + bytes + [0x22]
            #expect { try JSON(parsing: text) } throws: { ($0 as? JSONError)?.code == .invalidUnicode }
        }
    }

    @Test func limitsDepthAndSize() throws {
        let limits = JSONLimits(maxDepth: 3, maxBytes: 20)
        #expect(try JSON(parsing: "[[[1]]]", limits: limits) == [[[1]]])
        #expect { try JSON(parsing: "[[{\"a\":[]}]]", limits: limits) } throws: { ($0 as? JSONError)?.code == .tooDeep }
        #expect { try JSON(parsing: "[1,2,3,4,5,6,7,8,9,10]", limits: limits) } throws: { ($0 as? JSONError)?.code == .tooLarge }
        let deep = String(repeating: "[", count: 100_000)
        #expect { try JSON(parsing: deep) } throws: { ($0 as? JSONError)?.code == .tooDeep }
    }

    @Test func listsDuplicatesByPath() throws {
        let text = #"{"a":1,"spec":{"c":[{"x":1},{"x":1,"x":{"y":1,"y":2}}]},"a":2}"#
        let (value, duplicates) = try JSON.parse(text.utf8, limits: .request)
        #expect(duplicates == ["spec.c[1].x.y", "spec.c[1].x", "a"])
        #expect(value == ["a": 2, "spec": ["c": [["x": 1], ["x": ["y": 2]]]]])
    }

    @Test func manyMembersAreNoAttack() throws {
        let text = "{" + (0..<100_000).map { "\"key\($0)\":\($0)" }.joined(separator: ",") + "}"
        let value = try JSON(parsing: text)
        #expect(value["key77777"] == 77777)
        #expect(value.object?.count == 100_000)
    }

    private func message(_ text: String) -> String? {
        do {
            _ = try JSON(parsing: text)
            return nil
        } catch {
            return error.description
        }
    }
}
