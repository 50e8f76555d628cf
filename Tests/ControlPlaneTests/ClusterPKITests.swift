import APIServer
import Foundation
import Glibc
import SwiftASN1
import Testing
import X509

@testable import ControlPlane

@Suite struct ClusterPKITests {
    let directory: String
    let pki: ClusterPKI
    let now = Date(timeIntervalSince1970: 1_800_000_000)

    init() throws {
        var template = Array("/tmp/swiftlet-pki-XXXXXX".utf8CString)
        directory = String(cString: mkdtemp(&template))
        pki = ClusterPKI(dataDirectory: directory, controlPlaneOwner: nil, server: "https://192.0.2.1:6443", serverNames: ["host-1"], serverAddresses: ["192.0.2.1"])
    }

    func read(_ path: String) throws -> String { try #require(try PrivateFiles.read(directory + path), "\(path) is missing") }

    func cleaned(_ body: () throws -> Void) throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try body()
    }

    @Test("a second start changes nothing")
    func idempotent() throws {
        try cleaned {
            try pki.ensure(node: "node-1", nodeAddresses: ["192.0.2.1"], now: now)
            let paths = ["/control-plane/pki/sa.key", "/pki/ca.crt", "/pki/kubelet.crt", "/control-plane/pki/apiserver.crt", "/admin.kubeconfig", "/pki/kubelet.kubeconfig"]
            let before = try paths.map(read)
            try pki.ensure(node: "node-1", nodeAddresses: ["192.0.2.1"], now: now + 86_400)
            #expect(try paths.map(read) == before)
        }
    }

    @Test("a leaf is renewed in the last third of its life, by the same authority, and a lost identity at once")
    func renewal() throws {
        try cleaned {
            try pki.ensure(node: "node-1", nodeAddresses: [], now: now)
            let (authority, first) = (try read("/pki/ca.crt"), try read("/control-plane/pki/apiserver.crt"))
            try pki.ensure(node: "node-1", nodeAddresses: [], now: now + 250 * 86_400)
            let second = try read("/control-plane/pki/apiserver.crt")
            #expect(second != first)
            #expect(try read("/pki/ca.crt") == authority)
            #expect(try Certificate(pemEncoded: second).notValidAfter == now + (250 + 365) * 86_400)
            var moved = pki
            moved.serverAddresses = ["192.0.2.99"]
            try moved.ensure(node: "node-1", nodeAddresses: [], now: now + 251 * 86_400)
            #expect(try read("/control-plane/pki/apiserver.crt") != second)
        }
    }

    @Test("names, groups and usages are those that the API server looks for")
    func identities() throws {
        try cleaned {
            try pki.ensure(node: "node-1", nodeAddresses: ["192.0.2.7"], now: now)
            let server = try Certificate(pemEncoded: read("/control-plane/pki/apiserver.crt"))
            let names = try #require(try server.extensions.subjectAlternativeNames)
            #expect(names.contains(.dnsName("kubernetes.default.svc")))
            #expect(names.contains(.dnsName("host-1")))
            #expect(names.contains(.ipAddress(ASN1OctetString(contentBytes: [192, 0, 2, 1]))))
            let client = try Certificate(pemEncoded: read("/pki/kubelet-client.crt"))
            #expect(client.subject == (try DistinguishedName { OrganizationName("system:nodes"); CommonName("system:node:node-1") }))
            let authority = try Certificate(pemEncoded: read("/pki/ca.crt"))
            #expect(authority.publicKey.isValidSignature(client.signature, for: client))
            // Who signs for others acts as the controller of that name, from where the authority's key is.
            let signer = try Certificate(pemEncoded: read("/pki/signer.crt"))
            #expect(String(describing: signer.subject).contains("system:serviceaccount:kube-system:certificate-controller"))
            #expect(try read("/pki/signer.kubeconfig").contains("server: https://192.0.2.1:6443"))
        }
    }

    @Test("the key of tokens outlives the certificates, and the server can read it")
    func tokenKey() throws {
        try cleaned {
            try pki.ensure(node: nil, nodeAddresses: [], now: now)
            let key = try read("/control-plane/pki/sa.key")
            _ = try TokenKeys(signingKeyPEM: key)
            try pki.ensure(node: nil, nodeAddresses: [], now: now + 300 * 86_400)
            #expect(try read("/control-plane/pki/sa.key") == key)
        }
    }

    @Test("keys are their owner's alone")
    func modes() throws {
        try cleaned {
            try pki.ensure(node: "node-1", nodeAddresses: [], now: now)
            for path in ["/pki/ca.key", "/control-plane/pki/apiserver.key", "/control-plane/pki/sa.key", "/admin.kubeconfig", "/pki/kubelet.key"] {
                let attributes = try FileManager.default.attributesOfItem(atPath: directory + path)
                #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600, "\(path)")
            }
        }
    }
}
