import JSONTree
import Seccomp

/// Reads a seccomp profile in the form of the OCI runtime specification (config-linux.md, seccomp), which `Localhost`
/// profiles have. What the node cannot carry out is refused, never left out: a profile that is weaker than it reads is a hole.
enum SeccompProfileFile {
    private static let eperm: Int32 = 1

    static func parse(_ bytes: [UInt8]) throws(RuntimeError) -> SeccompProfile {
        let json: JSON
        do { json = try JSON(parsing: bytes) } catch { throw refused("is not JSON: \(error)") }
        guard let top = json.object else { throw refused("expected an object, found \(json.typeName)") }
        for (key, _) in top where !["defaultAction", "defaultErrnoRet", "syscalls", "architectures", "archMap"].contains(key) {
            throw refused("field \(key) is not supported")
        }
        guard let word = json["defaultAction"]?.string else { throw refused("defaultAction: expected a string") }
        let fallback = try action(word, errno: json["defaultErrnoRet"], "defaultAction")
        var rules: [SeccompProfile.Rule] = []
        for (index, entry) in (json["syscalls"]?.array ?? []).enumerated() { rules.append(try rule(entry, "syscalls[\(index)]")) }
        return SeccompProfile(defaultAction: fallback, rules: rules)
    }

    private static func rule(_ json: JSON, _ path: String) throws(RuntimeError) -> SeccompProfile.Rule {
        guard let object = json.object else { throw refused("\(path): expected an object, found \(json.typeName)") }
        for (key, value) in object {
            switch key {
            case "names", "name", "action", "errnoRet", "args", "comment": continue
            case "includes", "excludes":
                // Docker's form; empty in profiles made for Kubernetes.
                guard value.object?.isEmpty ?? value.isNull else { throw refused("\(path).\(key) is not supported") }
            default: throw refused("\(path).\(key) is not supported")
            }
        }
        var names = (json["names"]?.array ?? []).compactMap(\.string)
        if let name = json["name"]?.string { names.append(name) }
        guard !names.isEmpty else { throw refused("\(path).names: expected at least one name") }
        guard let word = json["action"]?.string else { throw refused("\(path).action: expected a string") }
        var conditions: [SeccompProfile.Condition] = []
        for (index, entry) in (json["args"]?.array ?? []).enumerated() { conditions.append(try condition(entry, "\(path).args[\(index)]")) }
        return SeccompProfile.Rule(names, try action(word, errno: json["errnoRet"], "\(path).action"), when: conditions)
    }

    private static func action(_ word: String, errno: JSON?, _ path: String) throws(RuntimeError) -> SeccompProfile.Action {
        switch word {
        case "SCMP_ACT_ALLOW": return .allow
        case "SCMP_ACT_LOG": return .log
        case "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS": return .killProcess
        case "SCMP_ACT_ERRNO":
            guard let errno, !errno.isNull else { return .errno(eperm) }
            guard let number = errno.int, (0...4095).contains(number) else { throw refused("\(path): expected an errno of 0 to 4095") }
            return .errno(Int32(number))
        default: throw refused("\(path): \"\(word)\" is not supported")
        }
    }

    private static func condition(_ json: JSON, _ path: String) throws(RuntimeError) -> SeccompProfile.Condition {
        guard let index = json["index"]?.int, (0...5).contains(index) else { throw refused("\(path).index: expected 0 to 5") }
        let value = try unsigned(json["value"], "\(path).value")
        let comparison: SeccompProfile.Condition.Comparison
        switch json["op"]?.string ?? "" {
        case "SCMP_CMP_EQ": comparison = .equal
        case "SCMP_CMP_NE": comparison = .notEqual
        case "SCMP_CMP_LT": comparison = .less
        case "SCMP_CMP_LE": comparison = .lessOrEqual
        case "SCMP_CMP_GT": comparison = .greater
        case "SCMP_CMP_GE": comparison = .greaterOrEqual
        case "SCMP_CMP_MASKED_EQ":
            // Of the specification's two numbers the first is the mask.
            return SeccompProfile.Condition(argument: UInt32(index), .maskedEqual(mask: value), try unsigned(json["valueTwo"], "\(path).valueTwo"))
        case let word: throw refused("\(path).op: \"\(word)\" is not supported")
        }
        return SeccompProfile.Condition(argument: UInt32(index), comparison, value)
    }

    private static func unsigned(_ json: JSON?, _ path: String) throws(RuntimeError) -> UInt64 {
        guard let json, !json.isNull else { return 0 }
        guard case .number(let number) = json, let value = UInt64(number.text) else { throw refused("\(path): expected an unsigned 64-bit number") }
        return value
    }

    private static func refused(_ message: String) -> RuntimeError { RuntimeError(.createFailed, "seccomp profile: \(message)", step: "read the seccomp profile") }
}
