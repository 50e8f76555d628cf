internal import Glibc
internal import LinuxSystem
internal import Netlink

extension PodNetwork {
    /// The name of the pod's end.
    static let podLinkName = "eth0"

    /// The hardware address of every host end: pods need one fixed neighbour, and each link has two ends only.
    static let hostHardwareAddress = MACAddress(bytes: [0xee, 0xee, 0xee, 0xee, 0xee, 0xee])

    /// Locally administered, made of the address: unique on the node, the same after a restart.
    static func podHardwareAddress(_ address: IPAddress) -> MACAddress? { MACAddress(bytes: [0x02, 0x00] + address.bytes.suffix(4)) }

    /// Makes the pair and both ends. Runs on a thread that ends, and leaves it in the pod's namespace.
    func plug(_ attachment: Attachment, _ namespacePath: String) throws(PodNetworkError) {
        // A socket stays in the namespace where it was opened, wherever the thread goes.
        let node = try wrapped("open a socket") { try RouteSocket() }
        let namespace = try wrapped("open \(namespacePath)") { try Namespaces.open(namespacePath) }
        let pod = try wrapped("enter \(namespacePath)") {
            try Namespaces.join(namespace, .network)
            return try RouteSocket()
        }
        try wrapped("connect \(attachment.sandbox)") {
            let ends = try makePair(attachment, node, pod, namespace)
            try setUpPod(attachment, pod, ends.pod)
            try setUpHost(attachment, node, ends.host)
        }
    }

    /// The host's end and the index of the pod's.
    private func makePair(_ attachment: Attachment, _ node: RouteSocket, _ pod: RouteSocket, _ namespace: FileDescriptor) throws -> (host: Link, pod: Int32) {
        let mtu = try configuration.mtu ?? uplinkMTU(node)
        let inside = LinkSettings(name: Self.podLinkName, mtu: mtu, hardwareAddress: Self.podHardwareAddress(attachment.address), namespace: namespace.raw)
        let outside = LinkSettings(name: attachment.link, mtu: mtu, hardwareAddress: Self.hostHardwareAddress)
        if try !create(node, inside, outside), let host = try node.link(named: attachment.link) {
            if let end = try pod.link(named: Self.podLinkName), host.peerIndex == end.index { return (host, end.index) }
            // The pair of an earlier namespace of this sandbox, whose end is gone or elsewhere.
            try node.deleteLink(named: attachment.link)
            _ = try create(node, inside, outside)
        }
        guard let host = try node.link(named: attachment.link), let peer = host.peerIndex else {
            throw PodNetworkError(.kernel, "pod network: expected \(attachment.link) and its peer after making them, found one missing")
        }
        return (host, peer)
    }

    /// - Returns: false if one of the names is taken.
    private func create(_ node: RouteSocket, _ inside: LinkSettings, _ outside: LinkSettings) throws(NetlinkError) -> Bool {
        do throws(NetlinkError) {
            try node.create(.veth(peer: inside), outside)
            return true
        } catch {
            guard error.errno == EEXIST else { throw error }
            return false
        }
    }

    private func setUpPod(_ attachment: Attachment, _ pod: RouteSocket, _ link: Int32) throws {
        guard let gatewayHardware = Self.hostHardwareAddress else { return }
        try pod.changeNamed(LinkSettings(name: "lo", isUp: true))
        try pod.change(link, LinkSettings(isUp: true))
        try pod.add(LinkAddress(index: link, prefix: IPPrefix(host: attachment.address)))
        try pod.replace(Neighbour(index: link, address: PodNetworkConfiguration.gateway4, hardwareAddress: gatewayHardware))
        try pod.replace(Route(to: nil, via: PodNetworkConfiguration.gateway4, index: link, onLink: true, source: attachment.address))
    }

    func setUpHost(_ attachment: Attachment, _ node: RouteSocket, _ link: Link) throws {
        // An alias is taken only for a link that exists.
        var settings = LinkSettings(isUp: true, alias: alias(attachment.sandbox))
        if configuration.managesSystemSettings {
            // Packets from one pod to another leave by another link than they came; a redirect would name an address that
            // the pod cannot reach.
            settings.ipv4 = [.sendRedirects: 0]
        }
        try node.change(link.index, settings)
        if let hardwareAddress = Self.podHardwareAddress(attachment.address) {
            try node.replace(Neighbour(index: link.index, address: attachment.address, hardwareAddress: hardwareAddress))
        }
        try node.replace(Route(to: IPPrefix(host: attachment.address), index: link.index))
    }

    /// The MTU of the link that the default route leaves by; 1500 without one.
    private func uplinkMTU(_ node: RouteSocket) throws -> UInt32 {
        guard let uplink = try node.routes(.v4).filter({ $0.destination == nil && $0.type == 1 }).min(by: { $0.metric ?? 0 < $1.metric ?? 0 })?.index else {
            return 1500
        }
        return try node.link(uplink)?.mtu ?? 1500
    }
}
