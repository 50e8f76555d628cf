/// What happens to fields that the schema does not know, or that come twice (the `fieldValidation` query parameter).
public enum FieldValidation: String, Sendable {
    case ignore = "Ignore"
    case warn = "Warn"
    case strict = "Strict"

    /// By the value of the query parameter; absent and empty mean Warn.
    public init(parameter: String?) throws(StatusError) {
        guard let parameter, !parameter.isEmpty else {
            self = .warn
            return
        }
        guard let validation = FieldValidation(rawValue: parameter) else {
            throw .badRequest(
                "fieldValidation: Unsupported value: \"\(parameter)\": supported values: \"Ignore\", \"Strict\", \"Warn\"")
        }
        self = validation
    }
}
