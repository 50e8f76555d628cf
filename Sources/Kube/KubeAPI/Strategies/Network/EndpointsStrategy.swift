import JSONTree

/// The rules for single addresses of endpoints.
enum EndpointAddresses {
    /// What is wrong with an address that traffic is to be sent to.
    static func problems(_ text: String, type: String? = nil) -> [String] {
        if type == "FQDN" { return ValueFormat.dnsSubdomain(text) }
        guard let bytes = AddressRange.bytes(of: text) else {
            switch type {
            case "IPv4": return ["must be a valid IPv4 address"]
            case "IPv6": return ["must be a valid IPv6 address"]
            default: return ValueFormat.ip(text)
            }
        }
        if type == "IPv4", bytes.count != 4 { return ["must be a valid IPv4 address"] }
        if type == "IPv6", bytes.count != 16 { return ["must be a valid IPv6 address"] }
        return special(bytes)
    }

    private static func special(_ bytes: [UInt8]) -> [String] {
        let isUnspecified = bytes.allSatisfy { $0 == 0 }
        if isUnspecified { return ["may not be unspecified (\(AddressRange.text(of: bytes)))"] }
        func within(_ ranges: String...) -> Bool { ranges.contains { AddressRange($0)?.contains(bytes) ?? false } }
        if within("127.0.0.0/8", "::1/128") { return ["may not be in the loopback range (127.0.0.0/8, ::1/128)"] }
        if within("169.254.0.0/16", "fe80::/10") { return ["may not be in the link-local range (169.254.0.0/16, fe80::/10)"] }
        if within("224.0.0.0/24", "ff02::/16") { return ["may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"] }
        return []
    }
}

struct EndpointsStrategy: ResourceStrategy {
    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        for (index, subset) in (object["subsets"]?.array ?? []).enumerated() {
            let path = FieldPath("subsets").index(index)
            let lists = ["addresses", "notReadyAddresses"]
            if lists.allSatisfy({ (subset[$0]?.array ?? []).isEmpty }) {
                errors.append(.required(path, "must specify `addresses` or `notReadyAddresses`"))
            }
            for list in lists {
                for (position, address) in (subset[list]?.array ?? []).enumerated() {
                    let path = path.child(list).index(position)
                    let ip = address["ip"]?.string ?? ""
                    errors += EndpointAddresses.problems(ip).map { .invalid(path.child("ip"), JSON(ip), $0) }
                    if let node = address["nodeName"]?.string {
                        errors += ValueFormat.dnsSubdomain(node).map { .invalid(path.child("nodeName"), JSON(node), $0) }
                    }
                }
            }
            let ports = subset["ports"]?.array ?? []
            for (position, port) in ports.enumerated() {
                let path = path.child("ports").index(position).child("name")
                let name = port["name"]?.string ?? ""
                if name.isEmpty {
                    if ports.count > 1 { errors.append(.required(path)) }
                } else {
                    errors += ValueFormat.dnsLabel(name).map { .invalid(path, JSON(name), $0) }
                }
            }
        }
    }
}

struct EndpointSliceStrategy: ResourceStrategy {
    private static let maximumPorts = 20_000
    var hasGeneration: Bool { true }

    func changesGeneration(_ object: JSON, from old: JSON) -> Bool {
        ["endpoints", "ports", "addressType"].contains { object[$0] != old[$0] }
            || (object[path: "metadata", "labels"] ?? [:]) != (old[path: "metadata", "labels"] ?? [:])
    }

    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        let type = object["addressType"]?.string ?? ""
        for (index, endpoint) in (object["endpoints"]?.array ?? []).enumerated() {
            let path = FieldPath("endpoints").index(index)
            let addresses = endpoint["addresses"]?.array ?? []
            if addresses.isEmpty { errors.append(.required(path.child("addresses"), "must contain at least 1 address")) }
            var seen: Set<JSON> = []
            for (position, address) in addresses.enumerated() {
                let path = path.child("addresses").index(position)
                if !seen.insert(address).inserted { errors.append(.duplicate(path, address)) }
                errors += EndpointAddresses.problems(address.string ?? "", type: type).map { .invalid(path, address, $0) }
            }
            if let node = endpoint["nodeName"]?.string {
                errors += ValueFormat.dnsSubdomain(node).map { .invalid(path.child("nodeName"), JSON(node), $0) }
            }
            if endpoint["deprecatedTopology"]?["kubernetes.io/hostname"] != nil {
                errors.append(.forbidden(path.child("deprecatedTopology").key("kubernetes.io/hostname"), "may not be set, use the nodeName field instead"))
            }
        }
        validatePorts(object["ports"]?.array ?? [], &errors)
    }

    private func validatePorts(_ ports: [JSON], _ errors: inout [FieldError]) {
        if ports.count > Self.maximumPorts { errors.append(.tooMany(FieldPath("ports"), count: ports.count, maximum: Self.maximumPorts)) }
        var names: Set<String> = []
        for (index, port) in ports.enumerated() {
            let path = FieldPath("ports").index(index)
            let name = port["name"]?.string ?? ""
            if !name.isEmpty { errors += ValueFormat.dnsLabel(name).map { .invalid(path.child("name"), JSON(name), $0) } }
            if !names.insert(name).inserted { errors.append(.duplicate(path.child("name"), JSON(name))) }
            if let protocolName = port["appProtocol"]?.string {
                errors += ValueFormat.qualifiedName(protocolName).map { .invalid(path.child("appProtocol"), JSON(protocolName), $0) }
            }
        }
    }

    func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        if object["addressType"] != old["addressType"] {
            errors.append(.invalid(FieldPath("addressType"), object["addressType"] ?? "", "field is immutable"))
        }
    }
}
