public import JSONTree

/// Checks an object against the rules of its schema. Types have been checked by the decoder before.
public struct SchemaValidator {
    public private(set) var errors: [FieldError] = []

    private let checksLists: Bool

    /// - Parameter checksLists: whether sets and maps that hold an element or key twice are wrong. So it is for custom
    ///   resources; Kubernetes' own kinds accept some (two variables of one name), and check the others themselves.
    public init(checksLists: Bool = false) { self.checksLists = checksLists }

    public mutating func validate(_ value: JSON, _ schema: Schema, at path: FieldPath) {
        check(value, schema, at: path)
        switch value {
        case .object(let object): validateObject(object, schema, at: path)
        case .array(let elements):
            if let items = schema.items {
                for (index, element) in elements.enumerated() { validate(element, items, at: path.index(index)) }
            }
            if checksLists { validateList(elements, schema, at: path) }
        default: break
        }
    }

    private mutating func validateObject(_ object: JSONObject, _ schema: Schema, at path: FieldPath) {
        if let values = schema.additionalProperties {
            for (key, value) in object { validate(value, values, at: path.key(key)) }
            return
        }
        validateRequired(object, schema, at: path)
        for (key, value) in object {
            guard let property = schema.property(key), value != "" else { continue }
            validate(value, property, at: path.child(key))
        }
    }

    /// Checks that the required members of an object are there; not what they hold.
    mutating func validateRequired(_ object: JSONObject, _ schema: Schema, at path: FieldPath) {
        for name in schema.required where object[name] == nil || object[name] == "" {
            guard let property = schema.property(name) else { continue }
            if Self.mustBeSet(property) { errors.append(.required(path.child(name))) }
        }
    }

    /// A required text may be empty unless it has a form; other required values have a zero value that rules judge.
    private static func mustBeSet(_ schema: Schema) -> Bool {
        switch schema.type {
        case .string:
            schema.constraints.minLength ?? 0 > 0 || !(schema.constraints.enumeration.isEmpty || schema.constraints.enumeration.contains(""))
                || schema.form != nil && schema.form != .dateTime && schema.form != .microTime
        case .array: schema.constraints.minItems ?? 0 > 0
        case .integer, .number: schema.constraints.minimum ?? 0 > 0
        default: schema.isIntOrString || (schema.type == .object && !schema.required.isEmpty)
        }
    }

    private mutating func check(_ value: JSON, _ schema: Schema, at path: FieldPath) {
        if let form = schema.form, case .string(let text) = value {
            for problem in form.problems(text) { errors.append(.invalid(path, value, problem)) }
        }
        if schema.isIntOrString, schema.form == .port, let port = value.int, !(1...65535 ~= port) {
            errors.append(.invalid(path, value, ValueFormat.range(1, 65535)))
        }
        guard schema.hasConstraints else { return }
        let constraints = schema.constraints
        if !constraints.enumeration.isEmpty, !constraints.enumeration.contains(value) {
            errors.append(.unsupported(path, value, supported: constraints.enumeration.map { $0.string ?? $0.description }))
        }
        switch value {
        case .number(let number): checkNumber(number, value, constraints, at: path)
        case .string(let text): checkText(text, constraints, at: path)
        case .array(let elements):
            if let minimum = constraints.minItems, elements.count < minimum {
                errors.append(minimum == 1 ? .required(path) : .invalid(path, JSON(elements.count), "must have at least \(minimum) items"))
            }
            if let maximum = constraints.maxItems, elements.count > maximum {
                errors.append(.tooMany(path, count: elements.count, maximum: maximum))
            }
        case .object(let object):
            if let maximum = constraints.maxProperties, object.count > maximum {
                errors.append(.tooMany(path, count: object.count, maximum: maximum))
            }
            if let minimum = constraints.minProperties, object.count < minimum {
                errors.append(.invalid(path, JSON(object.count), "must have at least \(minimum) items"))
            }
        default: break
        }
    }

    private mutating func checkNumber(_ number: JSONNumber, _ value: JSON, _ constraints: Schema.Constraints, at path: FieldPath) {
        let double = number.double
        let below = constraints.minimum.map { constraints.exclusiveMinimum ? double <= $0 : double < $0 } ?? false
        let above = constraints.maximum.map { constraints.exclusiveMaximum ? double >= $0 : double > $0 } ?? false
        if below || above {
            errors.append(.invalid(path, value, Self.rangeText(constraints)))
        }
        if let step = constraints.multipleOf, step != 0, (double / step).rounded() != double / step {
            errors.append(.invalid(path, value, "must be a multiple of \(JSONNumber(step).text)"))
        }
    }

    private static func rangeText(_ constraints: Schema.Constraints) -> String {
        func text(_ value: Double) -> String { JSONNumber(value).text }
        switch (constraints.minimum, constraints.maximum) {
        case (let minimum?, let maximum?) where !constraints.exclusiveMinimum && !constraints.exclusiveMaximum:
            return "must be between \(text(minimum)) and \(text(maximum)), inclusive"
        case (let minimum?, _): return "must be greater than \(constraints.exclusiveMinimum ? "" : "or equal to ")\(text(minimum))"
        case (nil, let maximum?): return "must be less than \(constraints.exclusiveMaximum ? "" : "or equal to ")\(text(maximum))"
        case (nil, nil): return "is out of range"
        }
    }

    private mutating func checkText(_ text: String, _ constraints: Schema.Constraints, at path: FieldPath) {
        if let minimum = constraints.minLength, text.unicodeScalars.count < minimum {
            errors.append(.invalid(path, JSON(text), "should be at least \(minimum) chars long"))
        }
        if let maximum = constraints.maxLength, text.unicodeScalars.count > maximum {
            errors.append(.tooLong(path, maximumBytes: maximum))
        }
    }

    /// Sets and maps must not hold an element, or a key, twice.
    private mutating func validateList(_ elements: [JSON], _ schema: Schema, at path: FieldPath) {
        switch schema.listType {
        case .set:
            var seen: Set<JSON> = []
            for (index, element) in elements.enumerated() where !seen.insert(element).inserted {
                errors.append(.duplicate(path.index(index), element))
            }
        case .map where schema.listMapKeys.count == 1:
            let key = schema.listMapKeys[0]
            var seen: Set<JSON> = []
            for (index, element) in elements.enumerated() {
                guard let value = element[key], value != "", !seen.insert(value).inserted else { continue }
                errors.append(.duplicate(path.index(index).child(key), value))
            }
        default: break
        }
    }
}
