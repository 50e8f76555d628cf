import JSONTree

/// The schema files, compiled in as JSON text. Their generator is `swiftlet-schema`, which has checked them: text that
/// does not parse would be a broken build, and its group would be missing, which the tests see.
enum EmbeddedSchemas {
    static var documents: [String: JSON] {
        var documents: [String: JSON] = [:]
        for (name, text) in texts {
            let bytes = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
            documents[name] = try? JSON(parsing: bytes)
        }
        return documents
    }
}
