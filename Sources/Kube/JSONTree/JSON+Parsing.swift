extension JSON {
    /// Reads one JSON value that takes up all of the bytes, white space around it apart.
    public init(parsing bytes: some Collection<UInt8>, limits: JSONLimits = .default) throws(JSONError) {
        self = try JSON.parse(bytes, limits: limits).value
    }

    /// Reads one JSON value from text.
    public init(parsing text: String, limits: JSONLimits = .default) throws(JSONError) {
        self = try JSON.parse(text.utf8, limits: limits).value
    }

    /// Reads one JSON value and tells which keys came twice, by path (`spec.containers[0].image`), if the limits
    /// accept them.
    public static func parse(
        _ bytes: some Collection<UInt8>, limits: JSONLimits = .default
    ) throws(JSONError) -> (value: JSON, duplicates: [String]) {
        func run(_ buffer: UnsafeBufferPointer<UInt8>) -> Result<(value: JSON, duplicates: [String]), JSONError> {
            guard buffer.count <= limits.maxBytes else {
                return .failure(JSONError(.tooLarge, "expected at most \(limits.maxBytes) bytes of JSON, found \(buffer.count)"))
            }
            var parser = JSONParser(buffer, limits: limits)
            do throws(JSONError) {
                let value = try parser.parseDocument()
                return .success((value, parser.duplicates))
            } catch {
                return .failure(error)
            }
        }
        if let result = bytes.withContiguousStorageIfAvailable(run) { return try result.get() }
        return try Array(bytes).withUnsafeBufferPointer(run).get()
    }
}
