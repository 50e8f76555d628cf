import JSONTree

struct ConfigMapStrategy: ResourceStrategy {
    static let maximumBytes = 1 << 20

    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        var bytes = 0
        for (key, value) in object["data"]?.object ?? [:] {
            let path = FieldPath("data").key(key)
            errors += ValueFormat.configKey(key).map { .invalid(path, JSON(key), $0) }
            if object["binaryData"]?[key] != nil { errors.append(.invalid(path, JSON(key), "duplicate of key present in binaryData")) }
            bytes += value.string?.utf8.count ?? 0
        }
        for (key, value) in object["binaryData"]?.object ?? [:] {
            errors += ValueFormat.configKey(key).map { .invalid(FieldPath("binaryData").key(key), JSON(key), $0) }
            bytes += (value.string?.utf8.count ?? 0) / 4 * 3
        }
        if bytes > Self.maximumBytes { errors.append(.tooLong(FieldPath(), maximumBytes: Self.maximumBytes)) }
    }

    func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        Immutability.validate(object, from: old, keys: ["data", "binaryData"], &errors)
    }
}

/// The switch that ConfigMaps and Secrets share: once set, it and the contents stay.
enum Immutability {
    static func validate(_ object: JSON, from old: JSON, keys: [String], _ errors: inout [FieldError]) {
        guard old["immutable"] == true else { return }
        let words = "field is immutable when `immutable` is set"
        if object["immutable"] != true { errors.append(.forbidden(FieldPath("immutable"), words)) }
        for key in keys where (object[key] ?? [:]) != (old[key] ?? [:]) { errors.append(.forbidden(FieldPath(key), words)) }
    }
}
