internal import JSONTree

/// The form in which objects are stored: JSON that begins with `apiVersion`, `kind` and `metadata`, in this order, and whose
/// metadata has no `resourceVersion`. It is the storage's revision, which is not known before the object is written, so it is
/// spliced in as the first member of the metadata when the object is read.
enum ObjectBytes {
    /// The stored form of an object.
    static func stored(_ object: JSON) -> [UInt8] {
        var ordered = JSONObject()
        ordered.reserveCapacity(object.object?.count ?? 3)
        ordered.append(key: "apiVersion", value: object["apiVersion"] ?? "")
        ordered.append(key: "kind", value: object["kind"] ?? "")
        var metadata = object["metadata"]?.object ?? [:]
        metadata["resourceVersion"] = nil
        ordered.append(key: "metadata", value: .object(metadata))
        for (key, value) in object.object ?? [:] where key != "apiVersion" && key != "kind" && key != "metadata" {
            ordered.append(key: key, value: value)
        }
        return JSON.object(ordered).bytes()
    }

    private static let marker = Array(#""metadata":{"#.utf8)

    /// The stored bytes with a resource version. Quotes inside of `apiVersion` and `kind` would be escaped, so the first
    /// `"metadata":{` is the one.
    static func wire(_ stored: [UInt8], revision: Int64) -> [UInt8] {
        guard let end = endOfMarker(stored) else { return stored }
        let empty = end < stored.count && stored[end] == UInt8(ascii: "}")
        let version = #""resourceVersion":"\#(revision)""# + (empty ? "" : ",")
        var result: [UInt8] = []
        result.reserveCapacity(stored.count + version.utf8.count)
        result += stored[..<end]
        result += version.utf8
        result += stored[end...]
        return result
    }

    private static func endOfMarker(_ stored: [UInt8]) -> Int? {
        // Behind `{"apiVersion":"…","kind":"…",`: names of groups and kinds are short.
        var start = 0
        let last = min(stored.count, 1024) - marker.count
        while start <= last {
            if stored[start] == marker[0], stored[start..<start + marker.count].elementsEqual(marker) { return start + marker.count }
            start += 1
        }
        return nil
    }
}
