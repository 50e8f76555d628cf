internal import KubeTypes
internal import Runtime

/// Merges the security contexts of a pod and a container; the container's word counts where both speak.
struct SecurityBuilder {
    var manifest: PodManifest
    var container: Container
    /// The user of the image's configuration, as written.
    var imageUser: String

    func build() throws -> SecurityConfiguration {
        let pod = manifest.pod.spec.securityContext
        let own = container.securityContext
        let user = try identifier(own?.runAsUser ?? pod?.runAsUser, "runAsUser")
        let group = try identifier(own?.runAsGroup ?? pod?.runAsGroup, "runAsGroup")
        if own?.runAsNonRoot ?? pod?.runAsNonRoot ?? false { try checkNonRoot(user) }
        var groups = try (pod?.supplementalGroups ?? []).compactMap { try identifier($0, "supplementalGroups") }
        if let fsGroup = try identifier(pod?.fsGroup, "fsGroup"), !groups.contains(fsGroup) { groups.append(fsGroup) }
        let privileged = own?.privileged ?? false
        return SecurityConfiguration(
            user: user, group: group, supplementalGroups: groups, privileged: privileged, readOnlyRootFilesystem: own?.readOnlyRootFilesystem ?? false,
            noNewPrivileges: own?.allowPrivilegeEscalation == false, addCapabilities: capabilities(own?.capabilities?.add),
            dropCapabilities: capabilities(own?.capabilities?.drop), seccomp: try seccomp(own?.seccompProfile ?? pod?.seccompProfile, privileged),
            maskPaths: !privileged && own?.procMount != "Unmasked")
    }

    /// Ids are 32 bits or refused: one that wraps around would be somebody else.
    private func identifier(_ value: Int?, _ field: String) throws -> UInt32? {
        guard let value else { return nil }
        guard let id = UInt32(exactly: value), id <= UInt32(Int32.max) else {
            throw KubeletError(.createContainerConfig, "\(field): expected a number from 0 to 2147483647, found \(value)")
        }
        return id
    }

    private func capabilities(_ names: [String]?) -> [String] {
        (names ?? []).map { name in
            let upper = name.uppercased()
            return upper.hasPrefix("CAP_") ? String(upper.dropFirst(4)) : upper
        }
    }

    private func checkNonRoot(_ user: UInt32?) throws {
        let place = "(pod: \"\(manifest.fullName)\", container: \(container.name))"
        if let user {
            guard user != 0 else { throw KubeletError(.createContainerConfig, "container's runAsUser breaks non-root policy \(place)") }
            return
        }
        let name = String(imageUser.prefix { $0 != ":" })
        guard !name.isEmpty, name != "0" else {
            throw KubeletError(.createContainerConfig, "container has runAsNonRoot and image will run as root \(place)")
        }
        guard UInt32(name) != nil else {
            throw KubeletError(.createContainerConfig, "container has runAsNonRoot and image has non-numeric user (\(name)), cannot verify user is non-root \(place)")
        }
    }

    private func seccomp(_ profile: SeccompProfile?, _ privileged: Bool) throws -> SecurityConfiguration.Seccomp {
        switch profile?.type {
        case "Unconfined": return .unconfined
        case "Localhost":
            guard let path = profile?.localhostProfile, !path.isEmpty, !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
                throw KubeletError(.createContainerConfig, "localhostProfile must be set if seccompProfile type is Localhost.")
            }
            return .localhost(path: path)
        case nil where privileged: return .unconfined
        default: return .runtimeDefault
        }
    }
}
