import JSONTree

/// The rules for a pod's spec as a whole. Containers and volumes have files of their own.
enum PodSpecValidation {
    static func validate(_ spec: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        let volumes = VolumeValidation.validate(spec["volumes"]?.array ?? [], at: path.child("volumes"), &errors)
        var names: Set<String> = []
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            let path = path.child(list)
            for (index, container) in (spec[list]?.array ?? []).enumerated() {
                let name = container["name"]?.string ?? ""
                if !name.isEmpty, !names.insert(name).inserted { errors.append(.duplicate(path.index(index).child("name"), JSON(name))) }
                var validation = ContainerValidation(spec: spec, volumes: volumes, isInit: list == "initContainers")
                validation.validate(container, at: path.index(index))
                errors += validation.errors
            }
        }
        if let grace = spec["terminationGracePeriodSeconds"]?.int, grace < 0 {
            errors.append(.invalid(path.child("terminationGracePeriodSeconds"), JSON(grace), "must be greater than or equal to 0"))
        }
        ObjectMetaValidation.validateLabels(spec["nodeSelector"], at: path.child("nodeSelector"), &errors)
        validateTolerations(spec["tolerations"]?.array ?? [], at: path.child("tolerations"), &errors)
        validateNetwork(spec, at: path, &errors)
        validateSecurityContext(spec["securityContext"], at: path.child("securityContext"), &errors)
        if let affinity = spec["affinity"] { validateAffinity(affinity, at: path.child("affinity"), &errors) }
    }

    private static func validateTolerations(_ tolerations: [JSON], at path: FieldPath, _ errors: inout [FieldError]) {
        for (index, toleration) in tolerations.enumerated() {
            let path = path.index(index)
            let exists = toleration["operator"] == "Exists"
            if (toleration["key"]?.string ?? "").isEmpty, !exists {
                errors.append(.invalid(
                    path.child("operator"), toleration["operator"] ?? "",
                    "operator must be Exists when `key` is empty, which means \"match all values and all keys\""))
            }
            if exists, let value = toleration["value"], value != "" {
                errors.append(.invalid(path.child("operator"), toleration, "value must be empty when `operator` is 'Exists'"))
            }
            if toleration["tolerationSeconds"] != nil, toleration["effect"] != "NoExecute" {
                errors.append(.invalid(
                    path.child("effect"), toleration["effect"] ?? "", "effect must be 'NoExecute' when `tolerationSeconds` is set"))
            }
        }
    }

    private static func validateNetwork(_ spec: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        let dns = spec["dnsConfig"]
        let dnsPath = path.child("dnsConfig")
        let servers = dns?["nameservers"]?.array ?? []
        if spec["dnsPolicy"] == "None", servers.isEmpty {
            let field = dns == nil ? dnsPath : dnsPath.child("nameservers")
            errors.append(.required(field, "must provide at least one DNS nameserver when `dnsPolicy` is None"))
        }
        if servers.count > 3 { errors.append(.invalid(dnsPath.child("nameservers"), .array(servers), "must not have more than 3 nameservers")) }
        for (index, server) in servers.enumerated() {
            errors += ValueFormat.ip(server.string ?? "").map { .invalid(dnsPath.child("nameservers").index(index), server, $0) }
        }
        for (index, alias) in (spec["hostAliases"]?.array ?? []).enumerated() {
            for (position, name) in (alias["hostnames"]?.array ?? []).enumerated() {
                let path = path.child("hostAliases").index(index).child("hostnames").index(position)
                errors += ValueFormat.dnsSubdomain(name.string ?? "").map { .invalid(path, name, $0) }
            }
        }
        if spec["hostUsers"] == false {
            for key in ["hostNetwork", "hostPID", "hostIPC"] where spec[key] == true {
                errors.append(.forbidden(path.child("hostUsers"), "when `\(key)` is true"))
            }
        }
    }

    private static func validateSecurityContext(_ context: JSON?, at path: FieldPath, _ errors: inout [FieldError]) {
        SecurityProfiles.validate(context, at: path, &errors)
        var names: Set<String> = []
        for (index, sysctl) in (context?["sysctls"]?.array ?? []).enumerated() {
            let name = sysctl["name"]?.string ?? ""
            if !names.insert(name).inserted { errors.append(.duplicate(path.child("sysctls").index(index).child("name"), JSON(name))) }
        }
    }

    private static func validateAffinity(_ affinity: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        let required = "requiredDuringSchedulingIgnoredDuringExecution"
        guard let selector = affinity["nodeAffinity"]?[required] else { return }
        let path = path.child("nodeAffinity").child(required).child("nodeSelectorTerms")
        let terms = selector["nodeSelectorTerms"]?.array ?? []
        if terms.isEmpty { errors.append(.required(path, "must have at least one node selector term")) }
        for (index, term) in terms.enumerated() {
            for (position, expression) in (term["matchExpressions"]?.array ?? []).enumerated() {
                validateNodeExpression(expression, at: path.index(index).child("matchExpressions").index(position), &errors)
            }
        }
    }

    private static func validateNodeExpression(_ expression: JSON, at path: FieldPath, _ errors: inout [FieldError]) {
        let key = expression["key"] ?? ""
        if key != "" { errors += ValueFormat.qualifiedName(key.string ?? "").map { .invalid(path.child("key"), key, $0) } }
        let count = expression["values"]?.array?.count ?? 0
        switch expression["operator"]?.string {
        case "In", "NotIn":
            if count == 0 { errors.append(.required(path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'")) }
        case "Exists", "DoesNotExist":
            if count > 0 { errors.append(.forbidden(path.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")) }
        case "Gt", "Lt":
            if count != 1 { errors.append(.required(path.child("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'")) }
        default: break
        }
    }
}

/// Seccomp and AppArmor profiles, of a pod or a container.
enum SecurityProfiles {
    static func validate(_ context: JSON?, at path: FieldPath, _ errors: inout [FieldError]) {
        for (key, words) in [("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")] {
            guard let profile = context?[key] else { continue }
            let path = path.child(key).child("localhostProfile")
            let local = profile["localhostProfile"]?.string ?? ""
            if profile["type"] == "Localhost" {
                if local.isEmpty { errors.append(.required(path, "must be set when \(words) type is Localhost")) }
                else { errors += ValueFormat.relativePath(local).map { .invalid(path, JSON(local), $0) } }
            } else if profile["localhostProfile"] != nil {
                errors.append(.invalid(path, JSON(local), "can only be set when \(words) type is Localhost"))
            }
        }
    }
}
