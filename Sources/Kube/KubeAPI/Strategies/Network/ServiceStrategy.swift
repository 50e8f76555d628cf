import JSONTree

/// Services. Addresses and node ports are given out by the server when the object is written; what may be asked for is judged
/// here.
struct ServiceStrategy: ResourceStrategy {
    /// The name is the first label of a host name, and some resolvers want it to begin with a letter.
    func nameProblems(_ name: String) -> [String] { ValueFormat.dns1035Label(name) }

    func applyDefaults(to object: inout JSON) {
        guard object["spec"]?.object != nil else { return }
        object["spec"]?["ports"]?.withArray { ports in
            for index in ports.indices {
                let target = ports[index]["targetPort"]
                if target == nil || target == 0 || target == "" { ports[index]["targetPort"] = ports[index]["port"] }
            }
        }
        ServiceDefaults.setAffinity(&object)
        ServiceDefaults.setPolicies(&object)
        ServiceDefaults.setFamilies(&object)
    }

    func prepareForCreate(_ object: inout JSON) { object["status"] = ["loadBalancer": [:]] }

    func prepareForUpdate(_ object: inout JSON, from old: JSON) {
        ServiceUpdate.clearWhatTypeDoesNotHave(&object, from: old)
        ServiceUpdate.keepAllocations(&object, from: old)
        ServiceDefaults.setFamilies(&object)
        if object[path: "spec", "type"] != "LoadBalancer" { object["status"]?["loadBalancer"] = [:] }
    }

    func validate(_ object: JSON, _ errors: inout [FieldError]) {
        ServiceValidation(object["spec"] ?? [:]).validate(&errors)
    }

    func validateUpdate(_ object: JSON, from old: JSON, _ errors: inout [FieldError]) {
        let (new, before) = (object["spec"] ?? [:], old["spec"] ?? [:])
        guard new["type"] != "ExternalName", before["type"] != "ExternalName" else { return }
        let (addresses, stored) = (new["clusterIPs"]?.array ?? [], before["clusterIPs"]?.array ?? [])
        if let first = stored.first, first != "", addresses.first != first {
            errors.append(.invalid(FieldPath.spec.child("clusterIPs").index(0), .array(addresses), "may not change once set"))
        }
    }
}

/// What follows from the type of a Service, or from its being headless.
enum ServiceDefaults {
    static func isHeadless(_ spec: JSON?) -> Bool { spec?["clusterIP"] == "None" || spec?["clusterIPs"]?.array?.first == "None" }

    static func setAffinity(_ object: inout JSON) {
        guard object[path: "spec", "sessionAffinity"] == "ClientIP" else {
            object["spec"]?["sessionAffinityConfig"] = nil
            return
        }
        if object[path: "spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds"] == nil {
            object["spec"]?["sessionAffinityConfig"] = ["clientIP": ["timeoutSeconds": 10_800]]
        }
    }

    static func setPolicies(_ object: inout JSON) {
        let type = object[path: "spec", "type"]?.string ?? ""
        func isUnset(_ key: String) -> Bool { (object["spec"]?[key]?.string ?? "").isEmpty }
        let external = type == "NodePort" || type == "LoadBalancer" || (type == "ClusterIP" && !(object[path: "spec", "externalIPs"]?.array ?? []).isEmpty)
        if external, isUnset("externalTrafficPolicy") { object["spec"]?["externalTrafficPolicy"] = "Cluster" }
        if type != "ExternalName", isUnset("internalTrafficPolicy") { object["spec"]?["internalTrafficPolicy"] = "Cluster" }
        if type == "LoadBalancer", object[path: "spec", "allocateLoadBalancerNodePorts"] == nil {
            object["spec"]?["allocateLoadBalancerNodePorts"] = true
        }
    }

    /// Families and the list of addresses. A headless Service without selector may have endpoints of both families, whatever
    /// the cluster has.
    static func setFamilies(_ object: inout JSON) {
        let spec = object["spec"]
        guard spec?["type"] != "ExternalName" else { return }
        if let address = spec?["clusterIP"]?.string, !address.isEmpty, (spec?["clusterIPs"]?.array ?? []).isEmpty {
            object["spec"]?["clusterIPs"] = [.string(address)]
        } else if (spec?["clusterIP"]?.string ?? "").isEmpty, let first = spec?["clusterIPs"]?.array?.first {
            object["spec"]?["clusterIP"] = first
        }
        let both = isHeadless(spec) && (spec?["selector"]?.object ?? [:]).isEmpty
        if (spec?["ipFamilyPolicy"]?.string ?? "").isEmpty { object["spec"]?["ipFamilyPolicy"] = both ? "RequireDualStack" : "SingleStack" }
        guard (spec?["ipFamilies"]?.array ?? []).isEmpty else { return }
        let addresses = (object[path: "spec", "clusterIPs"]?.array ?? []).compactMap { AddressRange.bytes(of: $0.string ?? "") }
        if addresses.isEmpty {
            object["spec"]?["ipFamilies"] = both ? ["IPv4", "IPv6"] : ["IPv4"]
        } else {
            object["spec"]?["ipFamilies"] = .array(addresses.map { $0.count == 4 ? "IPv4" : "IPv6" })
        }
    }
}

/// What an update keeps of what was given out, and what goes with a change of the type.
enum ServiceUpdate {
    private static func needsAddress(_ spec: JSON?) -> Bool { spec?["type"] != "ExternalName" }

    private static func needsNodePorts(_ spec: JSON?) -> Bool {
        spec?["type"] == "NodePort" || (spec?["type"] == "LoadBalancer" && spec?["allocateLoadBalancerNodePorts"] != false)
    }

    /// A client that changes the type, and does not touch what belongs to the old one, means it to go.
    static func clearWhatTypeDoesNotHave(_ object: inout JSON, from old: JSON) {
        let (new, before) = (object["spec"], old["spec"])
        guard new?["type"] != before?["type"] else { return }
        if needsAddress(before), !needsAddress(new) {
            for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] where new?[key] == before?[key] {
                object["spec"]?[key] = nil
            }
        }
        if !needsNodePorts(new), needsNodePorts(before) {
            let known = Set((before?["ports"]?.array ?? []).compactMap { $0["nodePort"]?.int })
            object["spec"]?["ports"]?.withArray { ports in
                for index in ports.indices where ports[index]["nodePort"]?.int.map(known.contains) ?? false { ports[index]["nodePort"] = nil }
            }
        }
        let external = new?["type"] == "NodePort" || new?["type"] == "LoadBalancer" || !(new?["externalIPs"]?.array ?? []).isEmpty
        if !external, new?["externalTrafficPolicy"] == before?["externalTrafficPolicy"] { object["spec"]?["externalTrafficPolicy"] = nil }
        if new?["type"] != "LoadBalancer" {
            for key in ["allocateLoadBalancerNodePorts", "loadBalancerClass", "healthCheckNodePort"] where new?[key] == before?[key] {
                object["spec"]?[key] = nil
            }
        }
    }

    /// A client that leaves out what the server gave out does not mean to give it back.
    static func keepAllocations(_ object: inout JSON, from old: JSON) {
        let before = old["spec"]
        if needsAddress(before), needsAddress(object["spec"]) { keepAddresses(&object, before) }
        guard needsNodePorts(before), needsNodePorts(object["spec"]) else { return }
        var known: [[JSON?]: JSON] = [:]
        for port in before?["ports"]?.array ?? [] { known[[port["protocol"], port["port"]]] = port["nodePort"] }
        let stated = Set((object[path: "spec", "ports"]?.array ?? []).compactMap { $0["nodePort"]?.int }.filter { $0 != 0 })
        object["spec"]?["ports"]?.withArray { ports in
            for index in ports.indices where ports[index]["nodePort"]?.int ?? 0 == 0 {
                guard let node = known[[ports[index]["protocol"], ports[index]["port"]]], !stated.contains(node.int ?? 0) else { continue }
                ports[index]["nodePort"] = node
            }
        }
    }

    private static func keepAddresses(_ object: inout JSON, _ before: JSON?) {
        let (single, list) = (object[path: "spec", "clusterIP"]?.string ?? "", object[path: "spec", "clusterIPs"]?.array ?? [])
        let (oldSingle, oldList) = (before?["clusterIP"]?.string ?? "", before?["clusterIPs"]?.array ?? [])
        if single.isEmpty, list.isEmpty || list == oldList {
            object["spec"]?["clusterIP"] = before?["clusterIP"]
            object["spec"]?["clusterIPs"] = before?["clusterIPs"]
        } else if single != oldSingle, !single.isEmpty, list == oldList || list.isEmpty {
            // An old client changes only the field that it knows.
            object["spec"]?["clusterIPs"] = .array([.string(single)] + list.dropFirst())
        } else if list.isEmpty {
            object["spec"]?["clusterIPs"] = before?["clusterIPs"]
        } else if list.first != oldList.first, single == oldSingle {
            object["spec"]?["clusterIP"] = list.first
        }
    }
}
