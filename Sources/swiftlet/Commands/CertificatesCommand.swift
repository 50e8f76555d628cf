import ArgumentParser
import ControlPlane
import FoundationEssentials

/// Makes the certificates and kubeconfigs of a control plane, and of the node beside it. For services that have no authority's
/// key to do it themselves: they take up what is renewed.
struct CertificatesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certificates", abstract: "Make the cluster's certificates that are missing, due or no longer right.",
        discussion: "Takes the options of 'swiftlet control-plane' and of 'swiftlet node', so that all three can be started with the same ones.")

    @OptionGroup var directories: Directories
    @OptionGroup var node: NodeOptions
    @OptionGroup var controlPlane: ControlPlaneOptions
    @OptionGroup var dns: DNSOptions
    @OptionGroup var logs: LogOptions

    func run() throws {
        try Preflight.root(for: "swiftlet certificates")
        let user = try Account.named(controlPlane.user)
        try Preflight.reachable(directories.dataDir, by: user)
        try Preflight.directory(directories.dataDir, mode: 0o711)
        let address = node.nodeIP ?? NodeAddress.detect()
        let pki = try controlPlane.pki(directories, user: user, nodeAddress: controlPlane.advertiseAddress ?? address)
        do {
            try pki.ensure(node: try node.nodeName ?? HostName.read(), nodeAddresses: [address], now: Date())
        } catch {
            throw Failure("cannot make the cluster's certificates in \(directories.dataDir): \(error)")
        }
    }
}
