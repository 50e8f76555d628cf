internal import KubeTypes

/// `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` of a pod. Pure text; who writes it is another's matter.
struct ManagedFiles {
    var manifest: PodManifest
    var addresses: [String]
    var configuration: KubeletConfiguration

    /// The pod's host name: its own wish or its name, as much as Linux takes.
    var hostname: String {
        let wanted = manifest.pod.spec.hostname.flatMap { $0.isEmpty ? nil : $0 } ?? manifest.name
        guard wanted.utf8.count > 63 else { return wanted }
        var short = String(decoding: wanted.utf8.prefix(63), as: UTF8.self)
        while short.hasSuffix("-") || short.hasSuffix(".") { short.removeLast() }
        return short
    }

    /// `subdomain.namespace.svc.cluster.local`, empty without a subdomain.
    var domain: String {
        guard let subdomain = manifest.pod.spec.subdomain, !subdomain.isEmpty else { return "" }
        return "\(subdomain).\(manifest.namespace).svc.\(configuration.clusterDomain)"
    }

    /// - Parameter nodeHosts: the node's own file, which pods on its network begin with.
    func hosts(nodeHosts: String) -> String {
        var text: String
        if manifest.usesHostNetwork {
            text = "# Kubernetes-managed hosts file (host network).\n" + nodeHosts
            if !text.hasSuffix("\n") { text += "\n" }
        } else {
            text = """
                # Kubernetes-managed hosts file.
                127.0.0.1\tlocalhost
                ::1\tlocalhost ip6-localhost ip6-loopback
                fe00::\tip6-localnet
                fe00::\tip6-mcastprefix
                fe00::1\tip6-allnodes
                fe00::2\tip6-allrouters

                """
            let names = domain.isEmpty ? hostname : "\(hostname).\(domain)\t\(hostname)"
            for address in addresses { text += "\(address)\t\(names)\n" }
        }
        let aliases = manifest.pod.spec.hostAliases.filter { !$0.hostnames.isEmpty }
        if !aliases.isEmpty { text += "\n# Entries added by HostAliases.\n" }
        for alias in aliases { text += "\(alias.ip)\t\(alias.hostnames.joined(separator: "\t"))\n" }
        return text
    }

    /// - Parameter nodeResolvers: the node's own `resolv.conf`.
    func resolvConf(nodeResolvers: String) -> String {
        var resolvers = Resolvers(parsing: nodeResolvers)
        let policy = manifest.pod.spec.dnsPolicy ?? "ClusterFirst"
        let isCluster = policy == "ClusterFirstWithHostNet" || (policy == "ClusterFirst" && !manifest.usesHostNetwork)
        if policy == "None" {
            resolvers = Resolvers()
        } else if isCluster, !configuration.clusterDNS.isEmpty {
            let domain = configuration.clusterDomain
            resolvers.nameservers = configuration.clusterDNS
            resolvers.searches = ["\(manifest.namespace).svc.\(domain)", "svc.\(domain)", domain] + resolvers.searches
            resolvers.options = ["ndots:5"]
        }
        if let wishes = manifest.pod.spec.dnsConfig { resolvers.add(wishes) }
        return resolvers.text
    }

    struct Resolvers: Equatable {
        var nameservers: [String] = []
        var searches: [String] = []
        var options: [String] = []

        init() {}

        init(parsing text: String) {
            for line in text.split(separator: "\n") {
                let words = line.split { $0 == " " || $0 == "\t" }.map(String.init)
                switch words.first {
                case "nameserver": nameservers += words.dropFirst().prefix(1)
                case "search", "domain": searches = Array(words.dropFirst())
                case "options": options += words.dropFirst()
                default: break
                }
            }
        }

        mutating func add(_ wishes: PodDNSConfig) {
            for server in wishes.nameservers where !nameservers.contains(server) { nameservers.append(server) }
            for search in wishes.searches where !searches.contains(search) { searches.append(search) }
            for option in wishes.options {
                guard let name = option.name else { continue }
                options.removeAll { $0 == name || $0.hasPrefix(name + ":") }
                options.append(option.value.map { $0.isEmpty ? name : "\(name):\($0)" } ?? name)
            }
        }

        /// Within Kubernetes' limits, and the C library's: three name servers, 32 search paths in 2048 characters.
        var text: String {
            var lines: [String] = []
            var room = 2048 + 1
            let paths = searches.prefix(32).prefix { path in
                room -= path.utf8.count + 1
                return room >= 0
            }
            if !paths.isEmpty { lines.append("search " + paths.joined(separator: " ")) }
            lines += nameservers.prefix(3).map { "nameserver \($0)" }
            if !options.isEmpty { lines.append("options " + options.joined(separator: " ")) }
            return lines.map { $0 + "\n" }.joined()
        }
    }
}
