import KubeAPI

/// The ranges of addresses that the pods of each node get: equal parts of the cluster's range. Pure.
public struct NodeRanges: Sendable, Hashable {
    /// As kube-controller-manager's `--node-cidr-mask-size`.
    public static let standardLength = 24

    let cluster: AddressRange
    let length: Int

    /// - Parameter cluster: the addresses of all pods.
    /// - Throws: ``NodeRangeError`` if there is no room in it for a single node.
    public init(cluster text: String, length: Int = standardLength) throws(NodeRangeError) {
        guard let range = AddressRange(text), range.isIPv4, range.prefixLength <= length, length <= 30 else {
            throw NodeRangeError("expected an IPv4 range with room for a /\(length) for each node, such as 10.244.0.0/16, found '\(text)'")
        }
        (cluster, self.length) = (range, length)
    }

    /// The lowest range that none of those in use touches; nil if there is none left.
    /// - Parameter used: texts that are no ranges are in nobody's way.
    func free(used: some Sequence<String>) -> String? {
        let taken = used.compactMap { AddressRange($0) }.filter(\.isIPv4)
        let size = 1 << (32 - length)
        for index in 0..<(1 << min(length - cluster.prefixLength, 20)) {
            let text = "\(AddressRange.text(of: cluster.address(at: index * size)))/\(length)"
            guard let candidate = AddressRange(text), !taken.contains(where: { $0.contains(candidate.network) || candidate.contains($0.network) }) else { continue }
            return text
        }
        return nil
    }
}

public struct NodeRangeError: Error, Sendable, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
