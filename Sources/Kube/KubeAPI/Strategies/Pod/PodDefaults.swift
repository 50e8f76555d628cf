import JSONTree

/// Defaults of a pod that depend on other fields. The constant ones are in the schema.
enum PodDefaults {
    static func apply(to pod: inout JSON) {
        guard pod["spec"]?.object != nil else { return }
        if pod["spec"]?["enableServiceLinks"] == nil { pod["spec"]?["enableServiceLinks"] = true }
        applyToSpec(of: &pod, hostNetwork: pod["spec"]?["hostNetwork"] == true, isPod: true)
        copyLimitsToRequests(in: &pod, "spec")
    }

    /// A template gets less than a pod: what follows from limits and the host's network is the pod's own.
    static func applyToTemplate(_ template: inout JSON) { applyToSpec(of: &template, hostNetwork: false, isPod: false) }

    private static func applyToSpec(of pod: inout JSON, hostNetwork: Bool, isPod: Bool) {
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            pod["spec"]?[list]?.withArray { containers in
                for index in containers.indices { applyToContainer(&containers[index], hostNetwork: hostNetwork, isPod: isPod) }
            }
        }
        pod["spec"]?["volumes"]?.withArray { volumes in
            // A volume that names no source is an empty directory.
            for index in volumes.indices where volumes[index].object?.keys.allSatisfy({ $0 == "name" }) ?? false {
                volumes[index]["emptyDir"] = [:]
            }
        }
        // The old name of the field is kept alike.
        if let account = pod[path: "spec", "serviceAccountName"]?.string, !account.isEmpty {
            pod["spec"]?["serviceAccount"] = .string(account)
        } else if let account = pod[path: "spec", "serviceAccount"]?.string, !account.isEmpty {
            pod["spec"]?["serviceAccountName"] = .string(account)
        }
    }

    private static func applyToContainer(_ container: inout JSON, hostNetwork: Bool, isPod: Bool) {
        if (container["imagePullPolicy"]?.string ?? "").isEmpty, let image = container["image"]?.string {
            container["imagePullPolicy"] = ImageName.isLatest(image) ? "Always" : "IfNotPresent"
        }
        if hostNetwork {
            container["ports"]?.withArray { ports in
                for index in ports.indices where ports[index]["hostPort"]?.int ?? 0 == 0 {
                    ports[index]["hostPort"] = ports[index]["containerPort"]
                }
            }
        }
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] where container[probe] != nil {
            // A zero means that the field was not set.
            for (key, value) in [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
            where container[probe]?[key]?.int ?? 0 == 0 {
                container[probe]?[key] = JSON(value)
            }
        }
        if isPod { copyLimitsToRequests(in: &container, nil) }
    }

    /// A limit without a request is the request too.
    private static func copyLimitsToRequests(in object: inout JSON, _ key: String?) {
        let limits = (key.map { object[$0] } ?? object)?["resources"]?["limits"]?.object ?? [:]
        for (name, value) in limits {
            if let key {
                if object[key]?["resources"]?["requests"]?.object == nil { object[key]?["resources"]?["requests"] = [:] }
                if object[key]?["resources"]?["requests"]?[name] == nil { object[key]?["resources"]?["requests"]?[name] = value }
            } else {
                if object["resources"]?["requests"]?.object == nil { object["resources"]?["requests"] = [:] }
                if object["resources"]?["requests"]?[name] == nil { object["resources"]?["requests"]?[name] = value }
            }
        }
    }
}

/// What the API needs to know of an image's name.
public enum ImageName {
    /// Whether the name means the tag `latest`: by saying so, or by naming neither tag nor digest.
    public static func isLatest(_ name: String) -> Bool {
        if name.contains("@") { return false }
        let last = name.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        guard let colon = last.lastIndex(of: ":") else { return true }
        return last[last.index(after: colon)...] == "latest"
    }
}
