import Images
import LinuxSystem
import OCISpec
import Testing

/// Unpacking as root, judged by GNU tar, by overlayfs, and on images that other tools made.
@Suite(.privileged, .serialized) struct ImageExtractionTests {
    /// A store and a scratch directory, removed at the end.
    final class Bench {
        let directory = "/tmp/swiftlet-node-images-\(UInt64.random(in: 0 ... .max))"
        let store: ImageStore

        init() throws {
            try Files.makeDirectory(directory, mode: 0o700)
            try Files.makeDirectory(directory + "/data", mode: 0o700)
            store = try ImageStore(dataDirectory: directory + "/data")
        }

        deinit { _ = try? shell("cd /; rm -rf '\(directory)'") } // its own error would hide the test's

        /// Runs a script in the scratch directory; gives what it prints.
        @discardableResult
        func shell(_ script: String) throws -> String {
            let (read, write) = try Descriptors.pipe()
            let null = try openFile("/dev/null", .readWrite)
            let pid = try Processes.spawn(
                "/bin/bash", arguments: ["bash", "-euc", "exec 2>&1; cd '\(directory)'; " + script],
                environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=\(directory)", "LC_ALL=C.UTF-8"], descriptors: [null.raw, write.raw, write.raw])
            write.close()
            let output = String(decoding: try read.readAll(), as: UTF8.self)
            let exit = try Processes.wait(.pid(pid), blocking: true)
            guard exit?.code == 0 else { throw Failed(output: output) }
            return output
        }

        struct Failed: Error, CustomStringConvertible {
            let output: String
            var description: String { "script failed: " + output }
        }

        /// One line for each file below a directory with everything that an image carries.
        func listing(of folder: String) throws -> [Substring] {
            try shell("python3 - '\(folder)' <<'EOF'\n" + Bench.lister + "\nEOF").split(separator: "\n")
        }

        private static let lister = """
            import hashlib, os, stat, sys
            root = os.fsencode(sys.argv[1])
            links = {}
            def show(path):
                s = os.lstat(path)
                line = [os.path.relpath(path, root), oct(s.st_mode), s.st_uid, s.st_gid, s.st_mtime_ns, s.st_rdev]
                if stat.S_ISREG(s.st_mode):
                    line += [s.st_size, hashlib.sha256(open(path, "rb").read()).hexdigest()]
                if stat.S_ISLNK(s.st_mode):
                    line.append(os.readlink(path))
                if not stat.S_ISDIR(s.st_mode) and s.st_nlink > 1:
                    line.append(("linked to", links.setdefault(s.st_ino, os.path.relpath(path, root))))
                line += [(name, os.getxattr(path, name, follow_symlinks=False)) for name in sorted(os.listxattr(path, follow_symlinks=False))]
                print(line)
            for folder, names, files in os.walk(root):
                names.sort()
                show(folder)
                for name in sorted(files + [n for n in names if os.path.islink(os.path.join(folder, n))]):
                    show(os.path.join(folder, name))
            """

        /// An image of one layer that is this very tar file.
        func image(of tar: String, name: String) throws -> String {
            try shell("""
                python3 - '\(tar)' '\(name)' <<'EOF'
                import hashlib, io, json, sys, tarfile
                layer = open(sys.argv[1], "rb").read()
                config = json.dumps({"architecture": "\(machine)", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
                manifest = json.dumps([{"Config": "c.json", "RepoTags": [sys.argv[2]], "Layers": ["l.tar"]}]).encode()
                with tarfile.open("image.tar", "w") as archive:
                    for name, data in (("c.json", config), ("l.tar", layer), ("manifest.json", manifest)):
                        info = tarfile.TarInfo(name)
                        info.size = len(data)
                        archive.addfile(info, io.BytesIO(data))
                EOF
                """)
            return directory + "/image.tar"
        }

        var machine: String { store.platform.architecture }

        func layer(_ image: StoredImage, _ index: Int = 0) -> String { store.layersDirectory + "/" + image.layerDirectories[index] }
    }

    private static let makeTree = #"""
        mkdir tree; cd tree
        mkdir -p etc usr/bin deep/a/b/c "name with space" sticky
        echo root > etc/passwd; chmod 640 etc/passwd; chown 12:34 etc/passwd
        printf x > usr/bin/setuid; chown 1000:1000 usr/bin/setuid; chmod 6755 usr/bin/setuid
        chmod 1777 sticky; chmod 2750 deep/a; chown 4000000000:65534 deep/a/b; chmod 000 deep/a/b/c
        ln -s ../etc/passwd usr/link; ln -s /nowhere/at/all dangling; chown -h 77:88 dangling
        ln etc/passwd etc/hard; ln etc/passwd deep/hard; ln -P dangling dangling-hard
        mkfifo fifo; mknod null c 1 3; mknod disk b 259 70000; chmod 666 null; chown 3:4 null
        truncate -s 3M sparse; echo end >> sparse
        head -c 2000000 /dev/urandom > random; : > empty
        printf 1 > "größe-日本"; python3 -c 'import os; open(b"raw\xff\xfe", "w").close()'
        n=$(printf 'n%.0s' $(seq 200)); mkdir -p "long/$n/$n"; echo deep > "long/$n/$n/$n"
        python3 - <<'EOF'
        import os
        cap = bytes.fromhex("0100000200200000000000000000000000000000")
        os.setxattr("usr/bin/setuid", "security.capability", cap)
        os.setxattr("etc/passwd", "user.comment", b"with \x00 zero")
        os.setxattr("deep", "user.dir", b"yes")
        os.setxattr("deep", "trusted.mark", b"t")
        os.setxattr("dangling", "trusted.onlink", b"l", follow_symlinks=False)
        EOF
        touch -h -d '1969-12-31 23:00:00 UTC' dangling; touch -d '2001-02-03 04:05:06.789012345 UTC' random deep etc; touch -d '2038-02-01 UTC' empty
        chown 5:6 .; chmod 751 .; cd ..
        """#

    @Test(arguments: ["posix", "gnu"])
    func sameAsGNUTar(_ format: String) async throws {
        let bench = try Bench()
        try bench.shell(Self.makeTree)
        let attributes = format == "posix" ? "--xattrs --xattrs-include='*'" : ""
        try bench.shell("tar --format=\(format) \(attributes) -S -cf layer.tar -C tree .; mkdir gnu; tar \(attributes) --numeric-owner -xpf layer.tar -C gnu")
        let image = try await bench.store.importArchive(path: try bench.image(of: "layer.tar", name: "tree:1"))[0].image
        let (ours, theirs) = (try bench.listing(of: bench.layer(image)), try bench.listing(of: bench.directory + "/gnu"))
        #expect(ours.count > 25)
        for (mine, other) in zip(ours, theirs) { #expect(mine == other) }
        #expect(ours.count == theirs.count)
        if format == "posix" { #expect(ours.contains { $0.contains("security.capability") } && ours.contains { $0.contains("trusted.onlink") }) }
        try await bench.store.remove("tree:1")
        #expect(try Files.list(bench.store.layersDirectory).isEmpty)
    }

    @Test func overlayAttributesOfALayerAreDropped() async throws {
        let bench = try Bench()
        try bench.shell(#"""
            mkdir -p tree/dir
            python3 -c 'import os; [os.setxattr("tree/dir", "trusted.overlay." + n, v) for n, v in (("redirect", b"/etc"), ("opaque", b"y"), ("metacopy", b""))]'
            tar --format=posix --xattrs --xattrs-include='*' -cf layer.tar -C tree .
            """#)
        let image = try await bench.store.importArchive(path: try bench.image(of: "layer.tar", name: "tree:1"))[0].image
        let lines = try bench.listing(of: bench.layer(image))
        #expect(lines.count == 2)
        #expect(!lines.contains { $0.contains("overlay") })
    }

    @Test func overlayfsShowsTheMergedImage() async throws {
        let bench = try Bench()
        try bench.shell(#"""
            umoci init --layout oci; umoci new --image oci:base; umoci unpack --image oci:base one
            mkdir -p one/rootfs/etc one/rootfs/old one/rootfs/replaced; echo 1 > one/rootfs/etc/keep; echo 1 > one/rootfs/etc/gone
            echo 1 > one/rootfs/old/file; echo 1 > one/rootfs/replaced/before
            umoci repack --image oci:first one; umoci unpack --image oci:first two
            rm -r two/rootfs/etc/gone two/rootfs/old two/rootfs/replaced; mkdir two/rootfs/replaced; echo 2 > two/rootfs/replaced/after; echo 2 > two/rootfs/etc/new
            umoci repack --image oci:second two; umoci config --image oci:second --config.cmd /bin/app --config.user 7:8
            """#)
        let imported = try await bench.store.importArchive(path: bench.directory + "/oci", repository: "umoci/made")
        #expect(imported.count == 3)
        let image = try #require(try bench.store.find("umoci/made:second"))
        #expect(image.config.command == ["/bin/app"] && image.config.user == "7:8")
        let shown = try bench.shell("""
            mkdir upper work merged
            unshare -m --propagation private bash -euc 'cd data/layers; \
            mount -t overlay overlay -o lowerdir=\(image.layerDirectories.joined(separator: ":")),upperdir=../../upper,workdir=../../work ../../merged; \
            cd ../../merged; find . -type f | sort | xargs grep -H .; ls -d old 2>/dev/null || echo no old'
            """)
        #expect(shown == "./etc/keep:1\n./etc/new:2\n./replaced/after:2\nno old\n")
        let root = try bench.store.root(of: image)
        #expect(try root.read("/etc/keep") == Array("1\n".utf8))
        #expect(try root.read("/etc/gone") == nil && root.kind(of: "/old") == nil && root.read("/replaced/before") == nil)
    }

    @Test(arguments: ["oci-archive", "docker-archive"])
    func imagesOfPodman(_ format: String) async throws {
        let bench = try Bench()
        try bench.shell(#"""
            mkdir -p tree/bin; cp /bin/busybox tree/bin/busybox; ln -s busybox tree/bin/sh; tar -cf root.tar -C tree .
            mkdir build; cp root.tar build; echo added > build/file
            printf 'FROM scratch\nADD root.tar /\nCOPY file /etc/file\nENV A=b\nUSER 5\nCMD ["/bin/sh"]\n' > build/Containerfile
            podman="podman --root $PWD/storage --runroot $PWD/run --tmpdir $PWD/tmp --storage-driver vfs --events-backend none"
            $podman build --isolation chroot --network host --layers -t example.org/made/here:1 build
            $podman save --format FORMAT -o image.tar example.org/made/here:1
            """#.split(separator: "FORMAT", omittingEmptySubsequences: false).joined(separator: format))
        let image = try await bench.store.importArchive(path: bench.directory + "/image.tar")[0].image
        #expect(image.names == ["example.org/made/here:1"])
        #expect(image.config.command == ["/bin/sh"] && image.config.user == "5" && image.config.environment.contains("A=b"))
        let root = try bench.store.root(of: image)
        #expect(try root.read("/etc/file") == Array("added\n".utf8))
        #expect(try root.read("/bin/sh")?.count == Int(try Files.status("/bin/busybox", follow: true).size))
    }
}
