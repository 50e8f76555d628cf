import JSONTree

/// Checks an object against the schema of its CustomResourceDefinition, types included, in the words of the library that
/// kube-apiserver uses for it.
struct CustomResourceValidator {
    private(set) var errors: [FieldError] = []

    mutating func validate(_ object: JSON, _ schema: Schema) {
        for (key, value) in object.object ?? [:] where !["apiVersion", "kind", "metadata"].contains(key) {
            if let property = schema.property(key) { check(value, property, at: FieldPath(key)) }
        }
        require(object.object ?? [:], schema, at: FieldPath())
        combine(object, schema.constraints, at: FieldPath())
    }

    /// The problems of a value alone.
    static func problems(_ value: JSON, _ schema: Schema, at path: FieldPath) -> [FieldError] {
        var validator = CustomResourceValidator()
        validator.check(value, schema, at: path)
        return validator.errors
    }

    private mutating func check(_ value: JSON, _ schema: Schema, at path: FieldPath) {
        if value.isNull, schema.isNullable { return }
        guard checkType(value, schema, at: path) else { return }
        switch value {
        case .object(let object):
            if let values = schema.additionalProperties {
                for (key, member) in object where schema.property(key) == nil { check(member, values, at: path.key(key)) }
            }
            require(object, schema, at: path)
            for (key, member) in object { if let property = schema.property(key) { check(member, property, at: path.child(key)) } }
            checkCount(object.count, schema.constraints.minProperties, schema.constraints.maxProperties, "properties", at: path)
        case .array(let elements):
            if let items = schema.items { for (index, element) in elements.enumerated() { check(element, items, at: path.index(index)) } }
            checkCount(elements.count, schema.constraints.minItems, schema.constraints.maxItems, "items", at: path)
            checkUniqueness(elements, schema, at: path)
        case .string(let text): checkText(text, schema, at: path)
        case .number(let number): checkNumber(number, value, schema.constraints, at: path)
        default: break
        }
        let allowed = schema.constraints.enumeration
        if !allowed.isEmpty, !allowed.contains(value) {
            errors.append(.unsupported(path, value, supported: allowed.map { $0.string ?? $0.description }))
        }
        combine(value, schema.constraints, at: path)
    }

    private mutating func require(_ object: JSONObject, _ schema: Schema, at path: FieldPath) {
        for name in schema.required where object[name] == nil { errors.append(.required(path.child(name))) }
    }

    // MARK: types

    private mutating func checkType(_ value: JSON, _ schema: Schema, at path: FieldPath) -> Bool {
        if schema.isIntOrString {
            if value.int != nil || value.string != nil { return true }
            errors.append(typeError(value, "integer,string", at: path))
            return false
        }
        guard let type = schema.type else { return true }
        let fits =
            switch (type, value) {
            case (.object, .object), (.array, .array), (.string, .string), (.boolean, .bool), (.number, .number): true
            case (.integer, .number(let number)): number.int64 != nil || number.double.rounded() == number.double
            default: false
            }
        if !fits { errors.append(typeError(value, type.rawValue, at: path)) }
        return fits
    }

    private func typeError(_ value: JSON, _ type: String, at path: FieldPath) -> FieldError {
        let found =
            switch value {
            case .null: "null"
            case .bool: "boolean"
            case .number(let number): number.int64 == nil ? "number" : "integer"
            case .string: "string"
            case .array: "array"
            case .object: "object"
            }
        return FieldError(.typeInvalid, path, message: "Invalid value: \"\(found)\": \(path) in body must be of type \(type): \"\(found)\"")
    }

    // MARK: values

    private mutating func checkText(_ text: String, _ schema: Schema, at path: FieldPath) {
        let constraints = schema.constraints
        let length = text.unicodeScalars.count
        if let minimum = constraints.minLength, length < minimum {
            errors.append(.invalid(path, JSON(text), "\(path) in body should be at least \(minimum) chars long"))
        }
        if let maximum = constraints.maxLength, length > maximum { errors.append(.tooLong(path, maximumBytes: maximum)) }
        if let pattern = constraints.pattern, (try? Regex(pattern).firstMatch(in: text)) == nil {
            errors.append(.invalid(path, JSON(text), "\(path) in body should match '\(pattern)'"))
        }
        if let problem = formatProblem(text, schema.format) {
            errors.append(.invalid(path, JSON(text), "\(path) in body must be of type \(problem): \(JSON(text))"))
        }
    }

    private func formatProblem(_ text: String, _ format: String?) -> String? {
        let isValid: Bool
        switch format {
        case "date-time": isValid = (try? Time(text)) != nil
        case "byte": isValid = (try? Base64.decode(text)) != nil
        case "ipv4": isValid = AddressRange.bytes(of: text)?.count == 4
        case "ipv6": isValid = AddressRange.bytes(of: text)?.count == 16
        case "cidr": isValid = AddressRange(text) != nil
        case "uuid":
            let groups = text.split(separator: "-", omittingEmptySubsequences: false)
            isValid = groups.map(\.count) == [8, 4, 4, 4, 12] && groups.allSatisfy { $0.allSatisfy(\.isHexDigit) }
        default: return nil
        }
        return isValid ? nil : format
    }

    private mutating func checkNumber(_ number: JSONNumber, _ value: JSON, _ constraints: Schema.Constraints, at path: FieldPath) {
        let double = number.double
        func text(_ bound: Double) -> String { JSONNumber(bound).text }
        if let minimum = constraints.minimum, constraints.exclusiveMinimum ? double <= minimum : double < minimum {
            let words = constraints.exclusiveMinimum ? "greater than" : "greater than or equal to"
            errors.append(.invalid(path, value, "\(path) in body should be \(words) \(text(minimum))"))
        }
        if let maximum = constraints.maximum, constraints.exclusiveMaximum ? double >= maximum : double > maximum {
            let words = constraints.exclusiveMaximum ? "less than" : "less than or equal to"
            errors.append(.invalid(path, value, "\(path) in body should be \(words) \(text(maximum))"))
        }
        if let step = constraints.multipleOf, step != 0, (double / step).rounded() != double / step {
            errors.append(.invalid(path, value, "\(path) in body should be a multiple of \(text(step))"))
        }
    }

    private mutating func checkCount(_ count: Int, _ minimum: Int?, _ maximum: Int?, _ words: String, at path: FieldPath) {
        if let minimum, count < minimum { errors.append(.invalid(path, JSON(count), "\(path) in body should have at least \(minimum) \(words)")) }
        if let maximum, count > maximum { errors.append(.tooMany(path, count: count, maximum: maximum)) }
    }

    private mutating func checkUniqueness(_ elements: [JSON], _ schema: Schema, at path: FieldPath) {
        guard schema.listType == .set || schema.listType == .map else { return }
        var seen: Set<FieldSet.Element> = []
        for (index, element) in elements.enumerated() {
            guard let key = schema.listElement(element), !seen.insert(key).inserted else { continue }
            if case .key(let shown) = key { errors.append(.duplicate(path.index(index), shown)) } else { errors.append(.duplicate(path.index(index), element)) }
        }
    }

    // MARK: combinations

    private mutating func combine(_ value: JSON, _ constraints: Schema.Constraints, at path: FieldPath) {
        for schema in constraints.allOf { check(value, schema, at: path) }
        func matching(_ schemas: [Schema]) -> Int { schemas.filter { Self.problems(value, $0, at: path).isEmpty }.count }
        let name = path.description.isEmpty ? "\"\"" : "\"\(path)\""
        if !constraints.anyOf.isEmpty, matching(constraints.anyOf) == 0 {
            errors.append(.invalid(path, value, "\(name) must validate at least one schema (anyOf)"))
        }
        if !constraints.oneOf.isEmpty, case let count = matching(constraints.oneOf), count != 1 {
            let found = count == 0 ? "Found none valid" : "Found \(count) valid alternatives"
            errors.append(.invalid(path, value, "\(name) must validate one and only one schema (oneOf). \(found)"))
        }
        if let not = constraints.not, Self.problems(value, not, at: path).isEmpty {
            errors.append(.invalid(path, value, "\(name) must not validate the schema (not)"))
        }
    }
}
