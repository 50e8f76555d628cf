import Foundation
import JSONTree
import Testing

/// Foundation judges: random trees and random damage must be read alike by both.
@Suite struct FoundationOracleTests {
    @Test(arguments: 0..<20)
    func readsWhatFoundationReads(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        for _ in 0..<50 {
            let value = randomValue(&random, depth: 4)
            let bytes = value.bytes()
            #expect(try JSON(parsing: bytes) == value)
            let theirs = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
            #expect(isEqual(value, theirs))
            let written = try JSONSerialization.data(withJSONObject: theirs, options: [.fragmentsAllowed, .prettyPrinted])
            #expect(isEqual(try JSON(parsing: written), theirs))
        }
    }

    @Test(arguments: 0..<20)
    func refusesWhatFoundationRefuses(seed: UInt64) {
        var random = SplitMix(state: seed &+ 1000)
        for _ in 0..<200 {
            var bytes = randomValue(&random, depth: 3).bytes()
            for _ in 0..<Int.random(in: 1...2, using: &random) {
                let alphabet = Array("{}[]\",:\\0123456789.eE+-tfn u".utf8) + [0xC3, 0x80, 0x01]
                let position = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[position] = alphabet.randomElement(using: &random) ?? 0
                case 1: bytes.insert(alphabet.randomElement(using: &random) ?? 0, at: position)
                default: if bytes.count > 1 { bytes.remove(at: position) }
                }
            }
            guard JSONRFC.isDecidedByFoundation(bytes) else { continue }
            let theirs = (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil
            let limits = JSONLimits(duplicateKeys: .keepLast)
            let ours = (try? JSON(parsing: bytes, limits: limits)) != nil
            #expect(ours == theirs, "\(String(decoding: bytes, as: UTF8.self))")
        }
    }

    private func isEqual(_ ours: JSON, _ theirs: Any) -> Bool {
        switch ours {
        case .null: return theirs is NSNull
        case .bool(let value): return (theirs as? NSNumber)?.boolValue == value
        case .number(let value): return (theirs as? NSNumber)?.doubleValue == value.double
        case .string(let value): return theirs as? String == value
        case .array(let values):
            guard let theirs = theirs as? [Any], theirs.count == values.count else { return false }
            return zip(values, theirs).allSatisfy { isEqual($0, $1) }
        case .object(let object):
            guard let theirs = theirs as? [String: Any], theirs.count == object.count else { return false }
            return object.allSatisfy { key, value in theirs[key].map { isEqual(value, $0) } ?? false }
        }
    }

    private func randomValue(_ random: inout SplitMix, depth: Int) -> JSON {
        switch Int.random(in: 0..<(depth == 0 ? 6 : 9), using: &random) {
        case 0: return .null
        case 1: return .bool(Bool.random(using: &random))
        case 2: return JSON(Int64.random(in: -1_000_000_000...1_000_000_000, using: &random))
        case 3: return JSON(Double(Int64.random(in: -1_000_000...1_000_000, using: &random)) / 1024)
        case 4, 5: return .string(randomText(&random))
        case 6: return .array((0..<Int.random(in: 0..<5, using: &random)).map { _ in randomValue(&random, depth: depth - 1) })
        default:
            var object = JSONObject()
            for _ in 0..<Int.random(in: 0..<6, using: &random) {
                object[randomText(&random)] = randomValue(&random, depth: depth - 1)
            }
            return .object(object)
        }
    }

    private func randomText(_ random: inout SplitMix) -> String {
        let alphabet: [Character] = ["a", "b", "Z", "0", " ", "\"", "\\", "/", "\n", "\t", "\u{1}", "é", "€", "😀", "{", ",", "\u{7f}"]
        return String((0..<Int.random(in: 0..<24, using: &random)).compactMap { _ in alphabet.randomElement(using: &random) })
    }
}

/// Where Foundation is known to go its own way: it guesses UTF-16 and UTF-32 from NUL bytes, refuses numbers that no
/// double holds, and accepts a comma after an object's last member.
enum JSONRFC {
    static func isDecidedByFoundation(_ bytes: [UInt8]) -> Bool {
        !bytes.contains(0) && !String(decoding: bytes, as: UTF8.self).contains(/[eE][+-]?[0-9]{3,}|[0-9]{19,}|,\s*}/)
    }
}

/// A small seeded generator, so that a failure can be repeated.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
