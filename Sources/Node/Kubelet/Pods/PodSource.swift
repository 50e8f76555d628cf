internal import KubeTypes

/// Where the kubelet hears of its pods.
protocol PodSource: Sendable {
    /// Every pod of this node, then each change; reconnects by itself and ends when its reader does.
    func pods() -> AsyncStream<PodSourceChange>
}

enum PodSourceChange: Sendable {
    case changed(Pod)
    case removed(Pod)
    /// The whole list has been delivered: the UIDs of all pods of the node. Comes after each list.
    case synchronized(uids: Set<String>)
}
