internal import JSONTree

/// The one list of what a pod may ask for and this node cannot do yet. Such a pod is not started: it stays Pending, its
/// containers wait with `CreateContainerConfigError`, and an event `UnsupportedField` names every field.
///
/// Not refused, since there is nothing yet that they could change: `imagePullSecrets` (images are imported),
/// `resizePolicy`.
///
/// Pending, not Failed: a controller would replace a failed pod at once and for ever; and after an upgrade of the node
/// a pending pod simply starts.
enum UnsupportedFields {
    /// When a field counts as asked for.
    private enum Condition {
        /// It is there, with any value that is not empty, false or zero.
        case present
        /// It is there with a value that is none of these.
        case notOneOf([JSON])
        /// An object with a member that is none of these.
        case otherKeysThan([String])
        /// A string that begins with none of these.
        case notPrefixedBy([String])
    }

    /// `[]` stands for every element of a list, `{}` for every value of a map.
    private static let podRules: [(path: String, Condition)] = [
        ("spec.ephemeralContainers", .present),
        ("spec.hostnameOverride", .present),
        ("spec.os.name", .notOneOf(["linux"])),
        ("spec.overhead", .present),
        ("spec.resourceClaims", .present),
        ("spec.resources", .present),
        ("spec.runtimeClassName", .present),
        ("spec.setHostnameAsFQDN", .present),
        ("spec.securityContext.appArmorProfile.type", .notOneOf(["Unconfined"])),
        ("spec.securityContext.seLinuxOptions", .present),
        ("spec.securityContext.seLinuxChangePolicy", .notOneOf(["Recursive", "MountOption"])),
        ("spec.securityContext.supplementalGroupsPolicy", .notOneOf(["Merge"])),
        ("spec.securityContext.windowsOptions", .present),
        ("spec.securityContext.sysctls[].name", .notPrefixedBy(SafeSysctls.names)),
        ("spec.volumes[]", .otherKeysThan(["name", "configMap", "secret", "emptyDir", "hostPath", "downwardAPI", "projected"])),
        ("spec.volumes[].emptyDir.medium", .notOneOf(["", "Memory"])),
        ("spec.volumes[].projected.sources[]", .otherKeysThan(["configMap", "secret", "downwardAPI", "serviceAccountToken"])),
    ]

    private static let containerRules: [(path: String, Condition)] = [
        ("env[].valueFrom.fileKeyRef", .present),
        ("livenessProbe.grpc", .present),
        ("readinessProbe.grpc", .present),
        ("startupProbe.grpc", .present),
        ("lifecycle.postStart.tcpSocket", .present),
        ("lifecycle.preStop.tcpSocket", .present),
        ("ports[].hostPort", .present),
        ("resources.claims", .present),
        ("resources.limits", .otherKeysThan(["cpu", "memory"])),
        ("resources.requests", .otherKeysThan(["cpu", "memory", "ephemeral-storage"])),
        ("restartPolicyRules", .present),
        ("securityContext.appArmorProfile.type", .notOneOf(["Unconfined"])),
        ("securityContext.procMount", .notOneOf(["Default", "Unmasked"])),
        ("securityContext.seLinuxOptions", .present),
        ("securityContext.windowsOptions", .present),
        ("volumeDevices", .present),
    ]

    /// Paths of everything in the pod that is not supported, in the order of the table.
    static func find(in pod: JSON) -> [String] {
        var found: [String] = []
        for (path, condition) in podRules { visit(pod, components(path), "", condition, &found) }
        for list in ["spec.initContainers[]", "spec.containers[]"] {
            for (path, condition) in containerRules { visit(pod, components(list + "." + path), "", condition, &found) }
        }
        // Init containers know `Always`; for others it is a restart policy of their own.
        visit(pod, components("spec.containers[].restartPolicy"), "", .present, &found)
        visit(pod, components("spec.initContainers[].restartPolicy"), "", .notOneOf(["Always"]), &found)
        findDiskLimits(pod, &found)
        return found
    }

    static func message(_ fields: [String]) -> String {
        fields.count == 1 ? "\(fields[0]) is not supported by this node" : "not supported by this node: \(fields.joined(separator: ", "))"
    }

    /// A size limit is kept by tmpfs; on disk nothing would enforce it.
    private static func findDiskLimits(_ pod: JSON, _ found: inout [String]) {
        for (index, volume) in (pod[path: "spec", "volumes"]?.array ?? []).enumerated() {
            guard let directory = volume["emptyDir"], directory["sizeLimit"] != nil, directory["medium"]?.string != "Memory" else { continue }
            found.append("spec.volumes[\(index)].emptyDir.sizeLimit")
        }
    }

    private static func components(_ path: String) -> [String] {
        path.split(separator: ".").flatMap { part in part.hasSuffix("[]") ? [String(part.dropLast(2)), "[]"] : [String(part)] }
    }

    private static func visit(_ json: JSON, _ rest: [String], _ path: String, _ condition: Condition, _ found: inout [String]) {
        guard let first = rest.first else { return check(json, path, condition, &found) }
        if first == "[]" {
            for (index, element) in (json.array ?? []).enumerated() { visit(element, Array(rest.dropFirst()), "\(path)[\(index)]", condition, &found) }
        } else if let member = json[first], !member.isNull {
            visit(member, Array(rest.dropFirst()), path.isEmpty ? first : "\(path).\(first)", condition, &found)
        }
    }

    private static func check(_ json: JSON, _ path: String, _ condition: Condition, _ found: inout [String]) {
        switch condition {
        case .present:
            let isEmpty = json == false || json.int == 0 || json.string == "" || json.array?.isEmpty == true || json.object?.isEmpty == true
            if !isEmpty { found.append(path) }
        case .notOneOf(let allowed):
            if !allowed.contains(json) { found.append(path) }
        case .otherKeysThan(let allowed):
            for key in json.object?.keys ?? [] where !allowed.contains(key) { found.append("\(path).\(key)") }
        case .notPrefixedBy(let allowed):
            guard let text = json.string, !allowed.contains(where: { $0.hasSuffix(".") ? text.hasPrefix($0) : text == $0 }) else { return }
            found.append("\(path)=\(text)")
        }
    }
}

/// Kernel parameters that belong to a pod's own namespaces and may be set by anyone, as Kubernetes has them.
enum SafeSysctls {
    static let names = [
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
    ]
}
