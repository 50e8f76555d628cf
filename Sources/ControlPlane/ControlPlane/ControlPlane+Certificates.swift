import KubeHTTP
import Logging

extension ControlPlane {
    /// Uses the server's certificate, and the one that nodes know it by, as they are renewed. Until cancelled.
    static func followCertificates(in pki: String, server: TLSServer, nodes: TLSClient, logger: Logger) async {
        func files(_ name: String) -> FollowedFiles {
            FollowedFiles([pki + "/\(name).crt", pki + "/\(name).key", pki + "/ca.crt"], logger: logger)
        }
        let (served, shown) = (files("apiserver"), files("apiserver-kubelet-client"))
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await served.run { try server.replace(with: TLSMaterial(certificateChain: $0[0], privateKey: $0[1], authorities: $0[2])) }
            }
            group.addTask {
                await shown.run { try nodes.replace(with: TLSMaterial(certificateChain: $0[0], privateKey: $0[1], authorities: $0[2])) }
            }
        }
    }
}
