import OCISpec
import Testing

@Suite struct ReferenceTests {
    static let hex = String(repeating: "0123456789abcdef", count: 4)

    @Test(arguments: [
        ("nginx", "docker.io/library/nginx:latest", "nginx:latest"),
        ("nginx:1.25", "docker.io/library/nginx:1.25", "nginx:1.25"),
        ("grafana/grafana", "docker.io/grafana/grafana:latest", "grafana/grafana:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest", "nginx:latest"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx:latest", "nginx:latest"),
        ("quay.io/a/b/c:v1_2.3-x", "quay.io/a/b/c:v1_2.3-x", "quay.io/a/b/c:v1_2.3-x"),
        ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
        ("localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"),
        ("registry:5000/x:1", "registry:5000/x:1", "registry:5000/x:1"),
        ("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"),
        ("Registry/x", "Registry/x:latest", "Registry/x:latest"),
        ("a__b-c/d.e---f", "docker.io/a__b-c/d.e---f:latest", "a__b-c/d.e---f:latest"),
        ("nginx@sha256:\(hex)", "docker.io/library/nginx@sha256:\(hex)", "nginx@sha256:\(hex)"),
        ("quay.io/n:1@sha256:\(hex)", "quay.io/n:1@sha256:\(hex)", "quay.io/n:1@sha256:\(hex)"),
    ])
    func normalised(_ written: String, _ full: String, _ familiar: String) throws {
        let reference = try Reference(parsing: written)
        #expect(reference.description == full)
        #expect(reference.familiar == familiar)
        #expect(try Reference(parsing: full) == reference, "the full form means the same")
        #expect(try Reference(parsing: familiar) == reference, "and so does the familiar one")
    }

    @Test(arguments: [
        "", ":tag", "nginx:", "Nginx", "a//b", "/a", "a/", "-a", "a-", "a..b", "a___b", "a._b", "nginx:ta g", "nginx:.x", "nginx@sha256:12",
        "nginx@md5:\(hex)", "nginx@", "host:0/x", "host:99999/x", "host:/x", "-host.io/x", hex, "a:b:c", "docker.io/", "nginx\n",
        String(repeating: "a", count: 256), "x:" + String(repeating: "t", count: 129), "nginx@sha256:" + hex.uppercased(),
    ])
    func refused(_ written: String) {
        #expect(throws: OCIError.self) { try Reference(parsing: written) }
    }

    @Test func digestOfBytes() throws {
        #expect(Digest(sha256: [UInt8](repeating: 0xa5, count: 32)).description == "sha256:" + String(repeating: "a5", count: 32))
        #expect(try Digest(parsing: "sha256:\(Self.hex)").hex == Self.hex)
    }
}
