import JSONTree

/// Reads members of an object and says which one is wrong.
struct Reader {
    let object: JSONObject
    let path: String

    init(_ json: JSON, _ path: String) throws(OCIError) {
        guard let object = json.object else { throw OCIError(.malformed, "\(path): expected an object, found \(json.typeName)") }
        (self.object, self.path) = (object, path)
    }

    /// The member, nil if it is absent or null (Go writes null for empty lists and maps).
    func value(_ key: String) -> JSON? {
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    func string(_ key: String) throws(OCIError) -> String? {
        guard let value = value(key) else { return nil }
        guard let text = value.string else { throw wrong(key, "a string", value) }
        return text
    }

    func int(_ key: String) throws(OCIError) -> Int64? {
        guard let value = value(key) else { return nil }
        guard let number = value.int else { throw wrong(key, "an integer", value) }
        return number
    }

    func array(_ key: String) throws(OCIError) -> [JSON]? {
        guard let value = value(key) else { return nil }
        guard let array = value.array else { throw wrong(key, "a list", value) }
        return array
    }

    func strings(_ key: String) throws(OCIError) -> [String]? {
        guard let array = try array(key) else { return nil }
        var result: [String] = []
        for item in array {
            guard let text = item.string else { throw wrong(key, "a list of strings", item) }
            result.append(text)
        }
        return result
    }

    func map(_ key: String) throws(OCIError) -> [String: String] {
        guard let value = value(key) else { return [:] }
        guard let object = value.object else { throw wrong(key, "an object of strings", value) }
        var result: [String: String] = [:]
        for (key, item) in object {
            guard let text = item.string else { throw wrong(key, "a string", item) }
            result[key] = text
        }
        return result
    }

    /// Keys of an object whose values mean nothing (Go's `map[string]struct{}`).
    func set(_ key: String) throws(OCIError) -> [String] {
        guard let value = value(key) else { return [] }
        guard let object = value.object else { throw wrong(key, "an object", value) }
        return object.keys
    }

    func missing(_ key: String) -> OCIError { OCIError(.malformed, "\(path).\(key): expected a value, found none") }

    private func wrong(_ key: String, _ expected: String, _ found: JSON) -> OCIError {
        OCIError(.malformed, "\(path).\(key): expected \(expected), found \(found.typeName)")
    }
}

/// Parses a document; `what` names it in errors.
func parse(_ bytes: [UInt8], _ what: String) throws(OCIError) -> JSON {
    do throws(JSONError) {
        // A manifest that names a member twice means two things to two readers: the default limits refuse it.
        return try JSON(parsing: bytes, limits: JSONLimits(maxDepth: 64, maxBytes: 8 << 20))
    } catch {
        throw OCIError(.malformed, "\(what): expected JSON", cause: error)
    }
}
