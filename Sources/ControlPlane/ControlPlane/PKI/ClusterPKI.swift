import Crypto
public import FoundationEssentials
import SwiftASN1
import X509

/// The certificates of a cluster of one control plane, and the kubeconfigs made of them.
///
/// ```
/// <data-dir>/pki/                 root's: ca.crt, ca.key, signer.kubeconfig for who signs with it, and the agent's
///                                 kubelet.crt/.key (serving) and kubelet.kubeconfig
/// <data-dir>/control-plane/pki/   the control plane's user's: ca.crt, apiserver.crt/.key, apiserver-kubelet-client.crt/.key,
///                                 sa.key, which signs the tokens of service accounts
/// <data-dir>/admin.kubeconfig     the administrator's
/// ```
/// Everything is made at first start and made again when less than a third of its life is left, when what it says is no
/// longer what is asked for, or when it was not issued by this authority.
public struct ClusterPKI: Sendable {
    public var dataDirectory: String
    /// Whom the control plane runs as; nil for the caller.
    public var controlPlaneOwner: Owner?
    /// The API server's URL in kubeconfigs, e.g. `https://192.0.2.1:6443`.
    public var server: String
    /// Names and addresses that the API server answers to.
    public var serverNames: [String]
    public var serverAddresses: [String]
    /// How long what is issued is valid, in seconds.
    public var leafLifetime = CertificateAuthority.leafLifetime

    public init(dataDirectory: String, controlPlaneOwner: Owner?, server: String, serverNames: [String], serverAddresses: [String]) {
        self.dataDirectory = dataDirectory
        self.controlPlaneOwner = controlPlaneOwner
        self.server = server
        self.serverNames = serverNames
        self.serverAddresses = serverAddresses
    }

    public var rootDirectory: String { dataDirectory + "/pki" }
    public var controlPlaneDirectory: String { dataDirectory + "/control-plane/pki" }
    public var adminKubeconfig: String { dataDirectory + "/admin.kubeconfig" }
    public var signerKubeconfig: String { rootDirectory + "/signer.kubeconfig" }
    public var kubeletKubeconfig: String { rootDirectory + "/kubelet.kubeconfig" }

    /// The name that every API server answers to, whatever the host's.
    static let inClusterNames = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"]

    /// Makes what is missing or due. Idempotent.
    /// - Parameters:
    ///   - node: the node that runs beside the control plane, if one does.
    ///   - nodeAddresses: the addresses its kubelet answers at.
    public func ensure(node: String?, nodeAddresses: [String], now: Date) throws {
        try PrivateFiles.makeDirectory(rootDirectory, mode: 0o700, owner: nil)
        try PrivateFiles.makeDirectory(dataDirectory + "/control-plane", mode: 0o700, owner: controlPlaneOwner)
        try PrivateFiles.makeDirectory(controlPlaneDirectory, mode: 0o700, owner: controlPlaneOwner)
        let authority = try ensureAuthority(now: now)
        let bundle = try authority.certificatePEM()
        try PrivateFiles.write(bundle, to: controlPlaneDirectory + "/ca.crt", mode: 0o644, owner: controlPlaneOwner)

        let apiServer = CertificateIdentity(
            commonName: "kube-apiserver", dnsNames: unique(Self.inClusterNames + serverNames),
            addresses: unique(["127.0.0.1", "::1"] + serverAddresses), usage: .server)
        _ = try ensurePair(controlPlaneDirectory + "/apiserver", apiServer, authority, owner: controlPlaneOwner, now: now)
        let kubeletClient = CertificateIdentity(
            commonName: "kube-apiserver-kubelet-client", organizations: ["system:masters"], usage: .client)
        _ = try ensurePair(controlPlaneDirectory + "/apiserver-kubelet-client", kubeletClient, authority, owner: controlPlaneOwner, now: now)

        try ensureTokenKey()
        let admin = CertificateIdentity(commonName: "kubernetes-admin", organizations: ["system:masters"], usage: .client)
        try ensureKubeconfig(adminKubeconfig, user: "kubernetes-admin", try ensurePair(rootDirectory + "/admin", admin, authority, owner: nil, now: now), bundle)
        let signer = CertificateIdentity(
            commonName: "system:serviceaccount:kube-system:certificate-controller", organizations: ["system:serviceaccounts", "system:serviceaccounts:kube-system"],
            usage: .client)
        try ensureKubeconfig(signerKubeconfig, user: "certificate-controller", try ensurePair(rootDirectory + "/signer", signer, authority, owner: nil, now: now), bundle)
        guard let node else { return }
        let kubelet = CertificateIdentity(commonName: "system:node:\(node)", organizations: ["system:nodes"], usage: .client)
        try ensureKubeconfig(
            kubeletKubeconfig, user: "system:node:\(node)", try ensurePair(rootDirectory + "/kubelet-client", kubelet, authority, owner: nil, now: now), bundle)
        let serving = CertificateIdentity(
            commonName: "system:node:\(node)", organizations: ["system:nodes"], dnsNames: [node], addresses: unique(nodeAddresses + ["127.0.0.1"]), usage: .server)
        _ = try ensurePair(rootDirectory + "/kubelet", serving, authority, owner: nil, now: now)
    }

    private func ensureAuthority(now: Date) throws -> CertificateAuthority {
        let path = rootDirectory + "/ca"
        if let certificate = try PrivateFiles.read(path + ".crt"), let key = try PrivateFiles.read(path + ".key") {
            return try CertificateAuthority(certificatePEM: certificate, keyPEM: key)
        }
        let authority = try CertificateAuthority(commonName: "kubernetes", now: now)
        // The key first: a certificate without its key would be taken for a whole authority that lost it.
        try PrivateFiles.write(authority.keyPEM(), to: path + ".key", mode: 0o600, owner: nil)
        try PrivateFiles.write(authority.certificatePEM(), to: path + ".crt", mode: 0o644, owner: nil)
        return authority
    }

    /// Made once: the tokens of all pods end with it.
    private func ensureTokenKey() throws {
        let path = controlPlaneDirectory + "/sa.key"
        guard try PrivateFiles.read(path) == nil else { return }
        try PrivateFiles.write(P256.Signing.PrivateKey().pemRepresentation + "\n", to: path, mode: 0o600, owner: controlPlaneOwner)
    }

    private func ensurePair(_ path: String, _ identity: CertificateIdentity, _ authority: CertificateAuthority, owner: Owner?, now: Date) throws -> IssuedCertificate {
        if let certificate = try PrivateFiles.read(path + ".crt"), let key = try PrivateFiles.read(path + ".key"),
           let asked = try PrivateFiles.read(path + ".identity"), asked == describe(identity),
           isGood(certificate, key, authority, now: now) {
            return IssuedCertificate(certificatePEM: certificate, keyPEM: key)
        }
        let issued = try authority.issue(identity, now: now, lifetime: leafLifetime)
        try PrivateFiles.write(issued.keyPEM, to: path + ".key", mode: 0o600, owner: owner)
        try PrivateFiles.write(issued.certificatePEM, to: path + ".crt", mode: 0o644, owner: owner)
        try PrivateFiles.write(describe(identity), to: path + ".identity", mode: 0o644, owner: owner)
        return issued
    }

    private func isGood(_ certificate: String, _ key: String, _ authority: CertificateAuthority, now: Date) -> Bool {
        guard let certificate = try? Certificate(pemEncoded: certificate), let key = try? Certificate.PrivateKey(pemEncoded: key) else { return false }
        let life = certificate.notValidAfter.timeIntervalSince(certificate.notValidBefore)
        let left = certificate.notValidAfter.timeIntervalSince(now)
        return key.publicKey == certificate.publicKey && left > life / 3
            && authority.certificate.publicKey.isValidSignature(certificate.signature, for: certificate)
    }

    private func ensureKubeconfig(_ path: String, user: String, _ pair: IssuedCertificate, _ authority: String) throws {
        let text = KubeconfigText.make(server: server, authority: authority, user: user, certificate: pair.certificatePEM, key: pair.keyPEM)
        guard try PrivateFiles.read(path) != text else { return }
        try PrivateFiles.write(text, to: path, mode: 0o600, owner: nil)
    }

    private func describe(_ identity: CertificateIdentity) -> String {
        ([identity.commonName] + identity.organizations + identity.dnsNames + identity.addresses).joined(separator: "\n") + "\n"
    }

    private func unique(_ list: [String]) -> [String] {
        var seen = Set<String>()
        return list.filter { seen.insert($0).inserted }
    }
}
