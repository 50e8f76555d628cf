internal import JSONTree
internal import KubeAPI

/// Versions of a custom resource differ in nothing but their schema (conversion `None`): an object that is stored in one is
/// read in another by its name, and keeps what the other describes.
extension ResourceDefinition {
    /// The form in which an object is stored.
    func storedForm(_ object: JSON) -> JSON {
        guard let custom, custom.storageVersion != reference.version else { return object }
        var object = object
        object["apiVersion"] = .string("\(reference.group)/\(custom.storageVersion)")
        return object
    }

    /// The object in this version.
    func served(_ object: CachedObject) -> JSON {
        let json = object.json()
        return isServed(object.bytes) ? json : converted(json)
    }

    /// The bytes of the object in this version.
    func servedBytes(_ object: CachedObject) -> [UInt8] {
        isServed(object.bytes) ? object.bytes : converted(object.json()).bytes()
    }

    private func isServed(_ bytes: [UInt8]) -> Bool {
        guard isCustom else { return true }
        return bytes.starts(with: #"{"apiVersion":"\#(reference.apiVersion)","#.utf8)
    }

    private func converted(_ object: JSON) -> JSON {
        var object = object
        object["apiVersion"] = .string(reference.apiVersion)
        // What is stored was decoded before; at worst it stays as it is.
        guard var pruned = try? decode(object, fieldValidation: .ignore).object else { return object }
        applyDefaults(to: &pruned)
        return pruned
    }
}
