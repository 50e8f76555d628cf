import Foundation
import Testing

/// Images that other tools made run as their makers said.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ForeignImageTests {
    /// What every image runs: it tells how it was started.
    private static let program = """
        echo "arguments: $0 $#: $*"
        echo "user: $(id -u):$(id -g) of $(id -G)"
        echo "greeting: $GREETING"
        echo "directory: $(pwd)"

        """

    private static let containerfile = """
        FROM scratch
        COPY busybox /bin/busybox
        RUN ["/bin/busybox", "--install", "-s", "/bin"]
        COPY passwd group /etc/
        COPY app.sh gone /
        RUN ["/bin/rm", "/gone"]
        ENV GREETING="hello from podman"
        WORKDIR /srv/app
        USER app
        ENTRYPOINT ["/bin/sh", "/app.sh"]
        CMD ["one", "two words"]

        """

    /// Runs a script of a tool. Its directories are below the cluster's, and what it keeps in /var/lib goes with it.
    private func shell(_ cluster: TestCluster, _ script: String) async throws {
        let program = try Program(
            ["unshare", "--mount", "--propagation", "private", "bash", "-euc", "mount -t tmpfs tmpfs /var/lib; cd '\(cluster.directory)/made'; " + script], environment: ["HOME": cluster.directory], directory: cluster.directory)
        let output = try await program.wait(timeout: 120)
        guard output.status == 0 else { throw ShellError(description: "\(script): \(output)") }
    }

    private func prepare(_ cluster: TestCluster) async throws {
        let build = cluster.directory + "/made/build"
        try FileManager.default.createDirectory(atPath: build, withIntermediateDirectories: true)
        for (name, text) in [("app.sh", Self.program), ("Containerfile", Self.containerfile), ("gone", "of a lower layer"),
                             ("passwd", "root:x:0:0::/:/bin/sh\napp:x:1234:5678::/srv:/bin/sh\n"), ("group", "root:x:0:\nstaff:x:5678:\nextra:x:90:app\n")] {
            try text.write(toFile: build + "/" + name, atomically: true, encoding: .utf8)
        }
        try await shell(cluster, "cp /bin/busybox build")
    }

    private func add(_ cluster: TestCluster, _ files: String...) async throws {
        for file in files { try await cluster.succeed([TestCluster.binaries + "/swiftlet", "image", "import", "--data-dir", cluster.dataDirectory, cluster.directory + "/made/" + file]) }
    }

    /// Runs a pod of the image to its end; returns its log.
    private func run(_ cluster: TestCluster, _ name: String, image: String, more: String = "") async throws -> [String] {
        _ = try await cluster.apply("""
            apiVersion: v1
            kind: Pod
            metadata: {name: \(name)}
            spec:
              restartPolicy: Never
              containers:
              - name: main
                image: \(image)
                imagePullPolicy: Never
            \(more)
            """)
        let phase = try await eventually("\(name) has ended") {
            let phase = try await cluster.kube("get", "pod", name, "-o", "jsonpath={.status.phase}")
            return ["Succeeded", "Failed"].contains(phase) ? phase : nil
        }
        let log = try await cluster.kube("logs", name)
        #expect(phase == "Succeeded", "\(name): \(log)")
        return log.split(separator: "\n").map(String.init)
    }

    @Test("images of podman, in both of its formats: entrypoint, command, environment, directory, user and its groups", arguments: ["oci-archive", "docker-archive"])
    func podman(format: String) async throws {
        try await KubectlTests.withCluster([]) { cluster, _ in
            try await prepare(cluster)
            try await shell(cluster, """
                podman="podman --root $PWD/storage --runroot $PWD/run --tmpdir $PWD/tmp --storage-driver vfs --events-backend none"
                $podman build --isolation chroot --network host --layers -t example.org/made/by-podman:1 build
                $podman save --format \(format) -o podman.tar example.org/made/by-podman:1
                """)
            try await add(cluster, "podman.tar")
            let asMade = try await run(cluster, "as-made", image: "example.org/made/by-podman:1")
            #expect(asMade == ["arguments: /app.sh 2: one two words", "user: 1234:5678 of 5678 90", "greeting: hello from podman", "directory: /srv/app"])
            let changed = try await run(cluster, "changed", image: "example.org/made/by-podman:1", more: """
                    args: ["mine"]
                    env: [{name: GREETING, value: changed}]
                    workingDir: /etc
                    securityContext: {runAsUser: 7, runAsGroup: 8}
                """)
            #expect(changed == ["arguments: /app.sh 1: mine", "user: 7:8 of 8", "greeting: changed", "directory: /etc"])
            let replaced = try await run(cluster, "replaced", image: "example.org/made/by-podman:1", more: """
                    command: ["/bin/sh", "-c", "ls /; echo $GREETING"]
                """)
            // A command of the pod's drops both of the image's; a file that a later layer removed is not there.
            #expect(replaced.last == "hello from podman")
            #expect(replaced.contains("app.sh") && !replaced.contains("gone"))
        }
    }

    @Test("an image of umoci, as a layout, as its tarball, and turned by skopeo into the form of docker save")
    func umoci() async throws {
        try await KubectlTests.withCluster([]) { cluster, _ in
            try await prepare(cluster)
            try await shell(cluster, """
                umoci init --layout umoci; umoci new --image umoci:made; umoci unpack --image umoci:made one
                mkdir -p one/rootfs/bin; cp build/busybox one/rootfs/bin; cp build/app.sh build/gone one/rootfs
                for name in sh id ls; do ln -s busybox one/rootfs/bin/$name; done
                umoci repack --image umoci:made one
                umoci unpack --image umoci:made two; rm two/rootfs/gone; umoci repack --image umoci:made two
                umoci config --image umoci:made --config.entrypoint /bin/sh --config.entrypoint /app.sh --config.cmd by --config.cmd umoci \
                  --config.env GREETING=hello --config.env PATH=/bin --config.user 7:8 --config.workingdir /bin
                tar -C umoci -cf packed.tar .
                skopeo copy oci:umoci:made docker-archive:skopeo.tar:example.org/made/by-skopeo:1
                """)
            try await add(cluster, "umoci", "packed.tar", "skopeo.tar")
            let expected = ["arguments: /app.sh 2: by umoci", "user: 7:8 of 8", "greeting: hello", "directory: /bin"]
            for (name, image) in [("layout", "umoci:made"), ("packed", "packed:made"), ("skopeo", "example.org/made/by-skopeo:1")] {
                #expect(try await run(cluster, name, image: image) == expected, "\(image)")
            }
            let root = try await run(cluster, "root", image: "umoci:made", more: "    command: [\"/bin/ls\", \"/\"]")
            #expect(root.contains("app.sh") && !root.contains("gone"))
        }
    }
}
