import JSONTree

/// The rules for a Service's spec.
struct ServiceValidation {
    private let spec: JSON
    private let type: String
    private let path = FieldPath.spec

    init(_ spec: JSON) {
        self.spec = spec
        type = spec["type"]?.string ?? "ClusterIP"
    }

    private var isHeadless: Bool { ServiceDefaults.isHeadless(spec) }
    private var ports: [JSON] { spec["ports"]?.array ?? [] }

    func validate(_ errors: inout [FieldError]) {
        if ports.isEmpty, !isHeadless, type != "ExternalName" { errors.append(.required(path.child("ports"))) }
        validateType(&errors)
        validatePorts(&errors)
        validateAffinity(&errors)
        validateAddresses(&errors)
        ObjectMetaValidation.validateLabels(spec["selector"], at: path.child("selector"), &errors)
        for (index, address) in (spec["externalIPs"]?.array ?? []).enumerated() {
            errors += EndpointAddresses.problems(address.string ?? "").map { .invalid(path.child("externalIPs").index(index), address, $0) }
        }
        validatePolicies(&errors)
    }

    private func validateType(_ errors: inout [FieldError]) {
        switch type {
        case "LoadBalancer":
            for (index, port) in ports.enumerated() where port["port"] == 10250 {
                errors.append(.invalid(
                    path.child("ports").index(index), port, "may not expose port 10250 externally since it is used by kubelet"))
            }
            if isHeadless { errors.append(headless("LoadBalancer")) }
        case "NodePort":
            if isHeadless { errors.append(headless("NodePort")) }
        case "ExternalName":
            for key in ["clusterIPs", "ipFamilies"] where !(spec[key]?.array ?? []).isEmpty {
                errors.append(.forbidden(path.child(key), "may not be set for ExternalName services"))
            }
            if !(spec["ipFamilyPolicy"]?.string ?? "").isEmpty {
                errors.append(.forbidden(path.child("ipFamilyPolicy"), "may not be set for ExternalName services"))
            }
            validateExternalName(&errors)
        default: break
        }
    }

    private func headless(_ type: String) -> FieldError {
        .invalid(path.child("clusterIPs").index(0), "None", "may not be set to 'None' for \(type) services")
    }

    private func validateExternalName(_ errors: inout [FieldError]) {
        var name = spec["externalName"]?.string ?? ""
        if name.hasSuffix(".") { name.removeLast() }
        if name.isEmpty {
            errors.append(.required(path.child("externalName")))
        } else {
            errors += ValueFormat.dnsSubdomain(name).map { .invalid(path.child("externalName"), JSON(name), $0) }
        }
    }

    // MARK: ports

    private func validatePorts(_ errors: inout [FieldError]) {
        var names: Set<String> = []
        var numbers: Set<[JSON?]> = []
        var nodePorts: Set<[JSON?]> = []
        for (index, port) in ports.enumerated() {
            let path = path.child("ports").index(index)
            let name = port["name"]?.string ?? ""
            if name.isEmpty {
                if ports.count > 1 { errors.append(.required(path.child("name"))) }
            } else {
                errors += ValueFormat.dnsLabel(name).map { .invalid(path.child("name"), JSON(name), $0) }
                if !names.insert(name).inserted { errors.append(.duplicate(path.child("name"), JSON(name))) }
            }
            validateTarget(port, at: path, &errors)
            if let protocolName = port["appProtocol"]?.string {
                errors += ValueFormat.qualifiedName(protocolName).map { .invalid(path.child("appProtocol"), JSON(protocolName), $0) }
            }
            if !numbers.insert([port["protocol"], port["port"]]).inserted {
                errors.append(.duplicate(path, ["protocol": port["protocol"] ?? "TCP", "port": port["port"] ?? 0]))
            }
            guard let node = port["nodePort"], node != 0 else { continue }
            if type == "ClusterIP" || type == "ExternalName" {
                errors.append(.forbidden(path.child("nodePort"), "may not be used when `type` is '\(type)'"))
            }
            if !nodePorts.insert([port["protocol"], node]).inserted { errors.append(.duplicate(path.child("nodePort"), node)) }
        }
    }

    private func validateTarget(_ port: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        // 0 is what a client sends that leaves the port out.
        if port["port"] == nil { errors.append(.invalid(path.child("port"), 0, ValueFormat.range(1, 65535))) }
        switch port["targetPort"] {
        case .number(let number)?:
            if !(1...65535).contains(number.int64 ?? 0), port["port"]?.int.map({ (1...65535).contains($0) }) ?? false {
                errors.append(.invalid(path.child("targetPort"), port["targetPort"] ?? 0, ValueFormat.range(1, 65535)))
            }
        case .string(let name)?:
            errors += ValueFormat.portName(name).map { .invalid(path.child("targetPort"), JSON(name), $0) }
        default: break
        }
    }

    // MARK: the rest

    private func validateAffinity(_ errors: inout [FieldError]) {
        guard let timeout = spec[path: "sessionAffinityConfig", "clientIP", "timeoutSeconds"]?.int, !(1...86_400).contains(timeout) else { return }
        let path = path.child("sessionAffinityConfig").child("clientIP").child("timeoutSeconds")
        errors.removeAll { $0.field == path.description }
        errors.append(.invalid(path, JSON(timeout), "must be greater than 0 and less than 86400"))
    }

    private func validateAddresses(_ errors: inout [FieldError]) {
        let list = path.child("clusterIPs")
        let addresses = spec["clusterIPs"]?.array ?? []
        if let single = spec["clusterIP"]?.string, !single.isEmpty, let first = addresses.first, first != .string(single) {
            errors.append(.invalid(list, .array(addresses), "first value must match `clusterIP`"))
        }
        if addresses.first == "None" {
            if addresses.count > 1 { errors.append(.invalid(list, .array(addresses), "'None' must be the first and only value")) }
            return
        }
        if addresses.count > 2 { errors.append(.invalid(list, .array(addresses), "may only hold up to 2 values")) }
        let families = spec["ipFamilies"]?.array ?? []
        for (index, address) in addresses.enumerated() {
            let text = address.string ?? ""
            if text == "None" {
                errors.append(.invalid(list.index(index), address, "'None' must be the first and only value"))
                continue
            }
            errors += ValueFormat.ip(text).map { .invalid(list.index(index), address, $0) }
            guard let bytes = AddressRange.bytes(of: text), index < families.count else { continue }
            let family: JSON = bytes.count == 4 ? "IPv4" : "IPv6"
            if family != families[index] {
                errors.append(.invalid(list.index(index), address, "expected an \(families[index].string ?? "") value as indicated by `ipFamilies[\(index)]`"))
            }
        }
        var seen: Set<JSON> = []
        for (index, family) in families.enumerated() {
            if family != "IPv4", family != "IPv6" {
                errors.append(.unsupported(path.child("ipFamilies").index(index), family, supported: ["IPv4", "IPv6"]))
            }
            if !seen.insert(family).inserted { errors.append(.duplicate(path.child("ipFamilies").index(index), family)) }
        }
    }

    private func validatePolicies(_ errors: inout [FieldError]) {
        let external = type == "NodePort" || type == "LoadBalancer" || (type == "ClusterIP" && !(spec["externalIPs"]?.array ?? []).isEmpty)
        if !external, let policy = spec["externalTrafficPolicy"], policy != "" {
            errors.append(.invalid(path.child("externalTrafficPolicy"), policy, "may only be set for externally-accessible services"))
        }
        let balancer = "may only be used when `type` is 'LoadBalancer'"
        if type != "LoadBalancer" {
            if !(spec["loadBalancerSourceRanges"]?.array ?? []).isEmpty { errors.append(.forbidden(path.child("loadBalancerSourceRanges"), balancer)) }
            if spec["allocateLoadBalancerNodePorts"] != nil { errors.append(.forbidden(path.child("allocateLoadBalancerNodePorts"), balancer)) }
            if spec["loadBalancerClass"] != nil { errors.append(.forbidden(path.child("loadBalancerClass"), balancer)) }
        }
        for (index, range) in (spec["loadBalancerSourceRanges"]?.array ?? []).enumerated() where AddressRange(range.string ?? "") == nil {
            errors.append(.invalid(path.child("loadBalancerSourceRanges").index(index), range, AddressRange.words))
        }
        let distributions = ["PreferClose", "PreferSameZone", "PreferSameNode"]
        if let distribution = spec["trafficDistribution"], !distributions.contains(distribution.string ?? "") {
            errors.append(.unsupported(path.child("trafficDistribution"), distribution, supported: distributions))
        }
    }
}
