import OCISpec
import Testing

@Suite struct DocumentTests {
    static let digest = "sha256:" + String(repeating: "ab", count: 32)
    static func descriptor(_ type: String) -> String { #"{"mediaType":"\#(type)","digest":"\#(digest)","size":7}"# }
    static let config = descriptor(MediaType.configuration)
    static let layer = descriptor(MediaType.layerGzip)

    private func manifest(_ text: String, as type: String = MediaType.manifest) throws(OCIError) -> Manifest {
        try Manifest(parsing: Array(text.utf8), mediaType: type)
    }

    @Test func manifestIsRead() throws {
        let manifest = try manifest(#"{"schemaVersion":2,"config":\#(Self.config),"layers":[\#(Self.layer)]}"#)
        #expect(manifest.config.mediaType == MediaType.configuration)
        #expect(manifest.layers.map(\.size) == [7])
        #expect(try Manifest(parsing: manifest.bytes(), mediaType: MediaType.manifest) == manifest)
    }

    @Test(arguments: [
        (#"{"schemaVersion":2,"config":C,"layers":[L],"manifests":[]}"#, OCIError.Code.ambiguous),
        (#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","config":C,"layers":[L]}"#, .ambiguous),
        (#"{"schemaVersion":2,"config":C,"layers":[L],"layers":[]}"#, .malformed),
        (#"{"schemaVersion":1,"config":C,"layers":[L]}"#, .unsupported),
        (#"{"config":C,"layers":[L]}"#, .unsupported),
        (#"{"schemaVersion":2,"config":L,"layers":[L]}"#, .unsupported),
        (#"{"schemaVersion":2,"config":C,"layers":[C]}"#, .unsupported),
        (#"{"schemaVersion":2,"config":C}"#, .malformed),
        (#"{"schemaVersion":2,"config":C,"layers":[{"mediaType":"x","digest":"sha256:1","size":1}]}"#, .invalidReference),
        (#"{"schemaVersion":2,"config":C,"layers":[{"mediaType":"x","size":1}]}"#, .malformed),
        (#"{"schemaVersion":2,"config":C,"layers":"none"}"#, .malformed),
        ("[]", .malformed), ("", .malformed), ("{", .malformed),
    ])
    func manifestRefused(_ text: String, _ code: OCIError.Code) {
        let whole = text.split(separator: "C", omittingEmptySubsequences: false).joined(separator: Self.config)
            .split(separator: "L", omittingEmptySubsequences: false).joined(separator: Self.layer)
        do throws(OCIError) {
            _ = try manifest(whole)
            Issue.record("expected \(code)")
        } catch {
            #expect(error.code == code, "\(error)")
        }
    }

    @Test func sizesBelowZeroAreRefused() {
        let bad = #"{"mediaType":"\#(MediaType.layer)","digest":"\#(Self.digest)","size":-1}"#
        #expect(throws: OCIError.self) { try manifest(#"{"schemaVersion":2,"config":\#(Self.config),"layers":[\#(bad)]}"#) }
    }

    @Test func indexPicksThePlatform() throws {
        func entry(_ platform: String, _ size: Int) -> String {
            #"{"mediaType":"\#(MediaType.manifest)","digest":"\#(Self.digest)","size":\#(size),"platform":\#(platform)}"#
        }
        let text = #"{"schemaVersion":2,"manifests":["# + [
            entry(#"{"os":"windows","architecture":"amd64"}"#, 1), entry(#"{"os":"linux","architecture":"arm64","variant":"v8"}"#, 2),
            entry(#"{"os":"linux","architecture":"amd64"}"#, 3), entry(#"{"os":"unknown","architecture":"unknown"}"#, 4),
        ].joined(separator: ",") + "]}"
        let index = try Index(parsing: Array(text.utf8))
        #expect(index.manifest(for: Platform(architecture: "amd64"))?.size == 3)
        #expect(index.manifest(for: Platform(architecture: "arm64"))?.size == 2, "arm64 alone is v8")
        #expect(index.manifest(for: Platform(architecture: "s390x")) == nil)
    }

    @Test func indexWithLayersIsRefused() {
        #expect(throws: OCIError.self) { try Index(parsing: Array(#"{"schemaVersion":2,"manifests":[],"layers":[]}"#.utf8)) }
        #expect(throws: OCIError.self) { try Index(parsing: Array(#"{"schemaVersion":2,"manifests":[]}"#.utf8), mediaType: MediaType.manifest) }
    }

    @Test func configurationIsRead() throws {
        let text = #"""
        {"architecture":"amd64","os":"linux","created":"2024-01-02T03:04:05Z","config":{"User":"1000:1000","Env":["A=b"],"Entrypoint":["/e"],
        "Cmd":null,"WorkingDir":"/w","Labels":{"k":"v"},"StopSignal":"SIGQUIT","ExposedPorts":{"80/tcp":{}},"Volumes":{"/data":{}}},
        "rootfs":{"type":"layers","diff_ids":["\#(Self.digest)"]}}
        """#
        let config = try ImageConfiguration(parsing: Array(text.utf8))
        #expect(config == ImageConfiguration(
            platform: Platform(architecture: "amd64"), created: "2024-01-02T03:04:05Z", user: "1000:1000", environment: ["A=b"], entrypoint: ["/e"],
            workingDirectory: "/w", labels: ["k": "v"], stopSignal: "SIGQUIT", exposedPorts: ["80/tcp"], volumes: ["/data"],
            diffIDs: [try Digest(parsing: Self.digest)]))
    }

    @Test(arguments: [
        #"{"os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#, #"{"os":"linux","architecture":"amd64"}"#,
        #"{"os":"linux","architecture":"amd64","rootfs":{"type":"disk","diff_ids":[]}}"#,
        #"{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["x"]}}"#,
        #"{"os":"linux","architecture":"amd64","config":{"Env":"A=b"},"rootfs":{"type":"layers","diff_ids":[]}}"#,
        #"{"os":"linux","architecture":"amd64","config":{"Env":[1]},"rootfs":{"type":"layers","diff_ids":[]}}"#,
    ])
    func configurationRefused(_ text: String) {
        #expect(throws: OCIError.self) { try ImageConfiguration(parsing: Array(text.utf8)) }
    }

    @Test func dockerManifest() throws {
        let items = try DockerArchiveItem.list(parsing: Array(#"[{"Config":"c.json","RepoTags":["a:1"],"Layers":["l/layer.tar"]},{"Config":"d","RepoTags":null,"Layers":[]}]"#.utf8))
        #expect(items.map(\.repoTags) == [["a:1"], []])
        #expect(throws: OCIError.self) { try DockerArchiveItem.list(parsing: Array(#"[{"RepoTags":[]}]"#.utf8)) }
        #expect(throws: OCIError.self) { try DockerArchiveItem.list(parsing: Array("{}".utf8)) }
    }
}
