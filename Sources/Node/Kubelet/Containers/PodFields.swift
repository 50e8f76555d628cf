internal import KubeTypes
/// Values of the pod itself and of its node, as `fieldRef` names them.
struct PodFields: Sendable {
    var manifest: PodManifest
    var addresses: [String]
    var node: NodeFacts

    /// - Parameter path: `metadata.name`, `metadata.labels['key']`, `status.podIP` …
    /// - Returns: nil if there is no such field.
    func value(_ path: String) -> String? {
        switch path {
        case "metadata.name": manifest.name
        case "metadata.namespace": manifest.namespace
        case "metadata.uid": manifest.uid
        case "metadata.labels": Self.format(manifest.labels)
        case "metadata.annotations": Self.format(manifest.annotations)
        case "spec.nodeName": node.name
        case "spec.serviceAccountName": manifest.pod.spec.serviceAccountName ?? manifest.pod.spec.serviceAccount ?? ""
        case "status.hostIP": node.addresses.first ?? ""
        case "status.hostIPs": node.addresses.joined(separator: ",")
        case "status.podIP": podAddresses.first ?? ""
        case "status.podIPs": podAddresses.joined(separator: ",")
        default: subscripted(path, "metadata.labels", manifest.labels) ?? subscripted(path, "metadata.annotations", manifest.annotations)
        }
    }

    private var podAddresses: [String] { manifest.usesHostNetwork ? node.addresses : addresses }

    private func subscripted(_ path: String, _ name: String, _ map: [String: String]) -> String? {
        guard path.hasPrefix(name + "['"), path.hasSuffix("']") else { return nil }
        return map[String(path.dropFirst(name.count + 2).dropLast(2))] ?? ""
    }

    /// One `key="value"` a line, sorted, with the value quoted as Go quotes a string.
    static func format(_ map: [String: String]) -> String {
        map.sorted { $0.key < $1.key }.map { "\($0.key)=\(quoted($0.value))" }.joined(separator: "\n")
    }

    private static func quoted(_ text: String) -> String {
        var output = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": output += "\\\""
            case "\\": output += "\\\\"
            case "\n": output += "\\n"
            case "\t": output += "\\t"
            case "\r": output += "\\r"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                output += "\\x" + String(repeating: "0", count: 2 - digits.count) + digits
            default: output.unicodeScalars.append(scalar)
            }
        }
        return output + "\""
    }
}
