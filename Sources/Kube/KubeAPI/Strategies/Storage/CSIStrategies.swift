import JSONTree

/// The name of a CSI driver, wherever it stands.
enum CSIDriverName {
    static func validate(_ name: String, at path: FieldPath, _ errors: inout [FieldError]) {
        if name.isEmpty { errors.append(.required(path)) }
        if name.utf8.count > 63 { errors.append(.tooLong(path, maximumBytes: 63)) }
        if !name.isEmpty { errors += ValueFormat.dnsSubdomain(name.lowercased()).map { .invalid(path, JSON(name), $0) } }
    }
}

struct CSIDriverStrategy: ResourceStrategy {
    private static let audiences = FieldPath.spec.child("tokenRequests")

    func applyDefaults(to object: inout JSON) {
        if (object[path: "spec", "volumeLifecycleModes"]?.array ?? []).isEmpty { object["spec"]?["volumeLifecycleModes"] = ["Persistent"] }
    }

    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        CSIDriverName.validate(object[path: "metadata", "name"]?.string ?? "", at: .metadata.child("name"), &errors)
        var seen: Set<String> = []
        for (index, request) in (object[path: "spec", "tokenRequests"]?.array ?? []).enumerated() {
            let path = Self.audiences.index(index)
            let audience = request["audience"]?.string ?? ""
            if !seen.insert(audience).inserted { errors.append(.duplicate(path.child("audience"), JSON(audience))) }
            guard let seconds = request["expirationSeconds"]?.int else { continue }
            if seconds < 600 { errors.append(.invalid(path.child("expirationSeconds"), JSON(seconds), "may not specify a duration less than 10 minutes")) }
            if seconds > 1 << 32 { errors.append(.invalid(path.child("expirationSeconds"), JSON(seconds), "may not specify a duration larger than 2^32 seconds")) }
        }
    }

    func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        for key in ["attachRequired", "volumeLifecycleModes"] where object["spec"]?[key] != old["spec"]?[key] {
            errors.append(.invalid(.spec.child(key), object["spec"]?[key] ?? .null, "field is immutable"))
        }
    }
}

struct CSINodeStrategy: ResourceStrategy {
    private static let drivers = FieldPath.spec.child("drivers")
    /// The longest identity of a node that drivers may have.
    private static let maximumNodeID = 192

    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        var names: Set<String> = []
        for (index, driver) in (object[path: "spec", "drivers"]?.array ?? []).enumerated() {
            let path = Self.drivers.index(index)
            let name = driver["name"]?.string ?? ""
            if !name.isEmpty { CSIDriverName.validate(name, at: path.child("name"), &errors) }
            if !names.insert(name).inserted { errors.append(.duplicate(path.child("name"), JSON(name))) }
            let identity = driver["nodeID"]?.string ?? ""
            if identity.utf8.count > Self.maximumNodeID {
                errors.append(.invalid(path.child("nodeID"), JSON(identity), "must be \(Self.maximumNodeID) characters or less"))
            }
            var keys: Set<JSON> = []
            for (number, key) in (driver["topologyKeys"]?.array ?? []).enumerated() where !keys.insert(key).inserted {
                errors.append(.duplicate(path.child("topologyKeys").index(number), key))
            }
        }
    }

    /// A driver is registered anew to change; how many volumes fit may change while it is registered.
    func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        func fixed(_ driver: JSON) -> JSON {
            var driver = driver
            driver["allocatable"] = nil
            return driver
        }
        for driver in old[path: "spec", "drivers"]?.array ?? [] {
            guard let new = (object[path: "spec", "drivers"]?.array ?? []).first(where: { $0["name"] == driver["name"] }), fixed(new) != fixed(driver) else { continue }
            errors.append(.invalid(FieldPath("CSINodeDriver"), new, "field is immutable"))
        }
    }
}
