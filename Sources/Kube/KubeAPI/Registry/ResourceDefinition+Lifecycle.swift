public import JSONTree

/// The way of an object through the server: decode, default, prepare, validate. The same for every kind.
extension ResourceDefinition {
    /// Decodes a body that claims to be an object of this kind.
    ///
    /// - Parameter duplicates: the paths of keys that came twice, as the JSON parser lists them.
    /// - Returns: the object, with `apiVersion` and `kind` set, and the warnings for the client.
    /// - Throws: 400 if the kind is another one, a type is wrong, or validation is strict and a field is unknown or twice.
    public func decode(
        _ body: JSON, duplicates: [String] = [], fieldValidation: FieldValidation = .warn
    ) throws(StatusError) -> (object: JSON, warnings: [String]) {
        guard case .object = body else {
            throw .badRequest("\(kind) in version \"\(reference.version)\" cannot be handled as a \(kind): json: cannot unmarshal \(body.typeName) into Go value of type v1.\(kind)")
        }
        var object = body
        try checkKind(&object)
        if isCustom { try decodeMetadata(&object) }
        var decoder = ObjectDecoder(isLenient: isCustom)
        do { try decoder.decode(&object, as: schema) } catch { throw cannotBeHandled(error.description, cause: error) }
        if fieldValidation == .ignore { return (object, []) }
        let problems = decoder.unknownFields.map { "unknown field \"\($0)\"" } + duplicates.map { "duplicate field \"\($0)\"" }
        if fieldValidation == .strict, !problems.isEmpty {
            throw cannotBeHandled("strict decoding error: \(problems.joined(separator: ", "))")
        }
        return (object, problems)
    }

    /// The metadata of a custom resource is Kubernetes' own.
    private func decodeMetadata(_ object: inout JSON) throws(StatusError) {
        guard var metadata = object["metadata"], let schema = schema.property("metadata") else { return }
        var decoder = ObjectDecoder()
        do { try decoder.decode(&metadata, as: schema) } catch { throw cannotBeHandled(error.description, cause: error) }
        object["metadata"] = metadata
    }

    private func cannotBeHandled(_ detail: String, cause: (any Error)? = nil) -> StatusError {
        .badRequest("\(kind) in version \"\(reference.version)\" cannot be handled as a \(kind): \(detail)", cause: cause)
    }

    private func checkKind(_ object: inout JSON) throws(StatusError) {
        for (key, expected) in [("apiVersion", reference.apiVersion), ("kind", kind)] {
            guard let found = object[key], !found.isNull, found != "" else {
                object[key] = .string(expected)
                continue
            }
            if found != .string(expected) {
                throw .badRequest(
                    "the object provided is unrecognized (must be of type \(kind)): expected \(key) \"\(expected)\", found \(found)")
            }
        }
    }

    /// Fills in defaults: those of the schema, then those that depend on other fields.
    public func applyDefaults(to object: inout JSON) {
        schema.applyDefaults(to: &object)
        strategy.applyDefaults(to: &object)
    }

    /// Makes a new object ready to be stored: identity, first status, no fields that only the server sets.
    public func prepareForCreate(_ object: inout JSON, namespace: String?, uid: String, now: Time) {
        if object["metadata"]?.object == nil { object["metadata"] = [:] }
        for key in ["resourceVersion", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"] {
            object["metadata"]?[key] = nil
        }
        if let namespace, namespaced { object["metadata"]?["namespace"] = .string(namespace) }
        object["metadata"]?["uid"] = .string(uid)
        object["metadata"]?["creationTimestamp"] = .string(now.description)
        if strategy.hasGeneration { object["metadata"]?["generation"] = 1 }
        if hasStatus, !strategy.keepsStatusOnCreate { object["status"] = nil }
        strategy.prepareForCreate(&object)
    }

    /// Makes a changed object ready to be stored: what the server set stays.
    public func prepareForUpdate(_ object: inout JSON, from old: JSON) {
        if object["metadata"]?.object == nil { object["metadata"] = [:] }
        keepServerMetadata(&object, from: old)
        if hasStatus { object["status"] = old["status"] }
        strategy.prepareForUpdate(&object, from: old)
        if strategy.hasGeneration, strategy.changesGeneration(object, from: old) {
            object["metadata"]?["generation"] = JSON((old[path: "metadata", "generation"]?.int ?? 0) + 1)
        }
    }

    /// Makes a changed status ready to be stored: the spec and the owners stay.
    public func prepareForStatusUpdate(_ object: inout JSON, from old: JSON, now: Time) {
        keepAllButStatus(&object, from: old)
        strategy.prepareForStatusUpdate(&object, from: old, now: now)
    }

    /// Makes a changed approval ready to be stored: it is a part of the status, and the rest stays.
    public func prepareForApproval(_ object: inout JSON, from old: JSON, now: Time) {
        keepAllButStatus(&object, from: old)
        strategy.prepareForApproval(&object, from: old, now: now)
    }

    private func keepAllButStatus(_ object: inout JSON, from old: JSON) {
        if object["metadata"]?.object == nil { object["metadata"] = [:] }
        keepServerMetadata(&object, from: old)
        object["metadata"]?["ownerReferences"] = old["metadata"]?["ownerReferences"]
        object["metadata"]?["finalizers"] = old["metadata"]?["finalizers"]
        let status = object["status"]
        let metadata = object["metadata"]
        object = old
        object["metadata"] = metadata
        object["status"] = status
    }

    /// Fields of the metadata that updates ignore, and those that are filled in where the client left them out.
    private func keepServerMetadata(_ object: inout JSON, from old: JSON) {
        for key in ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"] {
            object["metadata"]?[key] = old["metadata"]?[key]
        }
        for key in ["uid", "namespace", "name"] where (object["metadata"]?[key]?.string ?? "").isEmpty {
            object["metadata"]?[key] = old["metadata"]?[key]
        }
    }

    /// Every wrong field of a new object.
    public func validate(_ object: JSON) -> [FieldError] {
        var errors: [FieldError] = []
        ObjectMetaValidation.validate(object, self, &errors)
        if isCustom {
            var validator = CustomResourceValidator()
            validator.validate(object, schema)
            return errors + validator.errors
        }
        var validator = SchemaValidator()
        for (key, value) in object.object ?? [:] where key != "metadata" {
            if let property = schema.property(key) { validator.validate(value, property, at: FieldPath(key)) }
        }
        validator.validateRequired(object.object ?? [:], schema, at: FieldPath())
        errors += validator.errors
        strategy.validate(object, &errors)
        return errors
    }

    /// Every wrong field of a changed object.
    public func validateUpdate(_ object: JSON, from old: JSON) -> [FieldError] {
        var errors = validate(object)
        ObjectMetaValidation.validateUpdate(object, from: old, &errors)
        strategy.validateUpdate(object, from: old, &errors)
        return errors
    }

    /// Every wrong field of a changed status. The rest of the object is as it was stored, and is not judged again.
    public func validateStatusUpdate(_ object: JSON, from old: JSON) -> [FieldError] {
        validateStatus(object, from: old) { strategy.validateStatusUpdate(object, from: old, &$0) }
    }

    /// Every wrong field of a changed approval.
    public func validateApproval(_ object: JSON, from old: JSON) -> [FieldError] {
        validateStatus(object, from: old) { strategy.validateApproval(object, from: old, &$0) }
    }

    private func validateStatus(_ object: JSON, from old: JSON, rules: (inout [FieldError]) -> Void) -> [FieldError] {
        var errors: [FieldError] = []
        ObjectMetaValidation.validate(object, self, &errors)
        ObjectMetaValidation.validateUpdate(object, from: old, &errors)
        if isCustom {
            var validator = CustomResourceValidator()
            validator.validate(object, schema)
            return errors + validator.errors
        }
        if let status = object["status"], let property = schema.property("status") {
            var validator = SchemaValidator()
            validator.validate(status, property, at: .status)
            errors += validator.errors
        }
        rules(&errors)
        return errors
    }

    /// What a kind does beyond its schema.
    public var strategy: any ResourceStrategy {
        isCustom ? CustomResourceStrategy(hasStatus: hasStatus) : BuiltInStrategies.byTypeName[typeName] ?? SchemaOnlyStrategy()
    }
}

/// Names that the server makes from `metadata.generateName`.
public enum GeneratedName {
    /// Neither vowels nor digits that look like letters, so that no words appear.
    private static let alphabet = Array("bcdfghjklmnpqrstvwxz2456789")
    private static let suffixLength = 5

    /// The base, cut to fit into 63 characters, and five random characters.
    public static func make(base: String, using random: inout some RandomNumberGenerator) -> String {
        let suffix = (0..<suffixLength).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }
        return base.prefix(63 - suffixLength) + String(suffix)
    }
}
