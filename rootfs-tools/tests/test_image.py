"""What comes out: layouts, docker archives, the same bytes for the same input."""
import hashlib
import json
import time

from rootfs import apt
from tests.support import Layout, Workspace, contents

RECIPE = """
names = ["docker.io/library/demo:latest", "example.org:5000/demo:1"]
[config]
entrypoint = ["/usr/bin/tool"]
cmd = ["--help"]
env = ["A=b"]
user = "app"
working_dir = "/srv"
exposed_ports = ["80/tcp"]
stop_signal = "SIGQUIT"
labels = { "org.example" = "yes" }
[[users]]
name = "app"
uid = 1000
groups = { adm = 4 }
[[layer]]
debs = ["one.deb"]
[[layer.file]]
path = "/etc/tool.conf"
content = "x = 1"
mode = "0640"
uid = 1000
gid = 1000
[[layer]]
remove = ["/usr/share/doc"]
[[layer.link]]
path = "/bin/t"
target = "tool"
"""


class ImageTests(Workspace):
    def setUp(self):
        super().setUp()
        self.deb("one", {"/bin/tool": (b"#!/bin/sh\n", 0o4755), "/usr/share/doc/one": b"text"}, links=[("/usr/lib/l", "../bin/tool")])

    def test_layout(self):
        layout = Layout(self.build(self.recipe(RECIPE)))
        names = [item["annotations"]["org.opencontainers.image.ref.name"] for item in layout.index["manifests"]]
        self.assertEqual(names, ["docker.io/library/demo:latest", "example.org:5000/demo:1"])
        self.assertEqual(layout.config["os"], "linux")
        self.assertEqual(layout.config["architecture"], apt.architecture())
        self.assertEqual(layout.config["config"], {
            "Entrypoint": ["/usr/bin/tool"], "Cmd": ["--help"], "Env": ["A=b"], "User": "app", "WorkingDir": "/srv",
            "ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGQUIT", "Labels": {"org.example": "yes"}})

    def test_layers(self):
        first, second = Layout(self.build(self.recipe(RECIPE))).layers()
        self.assertEqual(first["usr/bin/tool"].mode, 0o4755, "the file moved into the one /usr and kept its setuid bit")
        self.assertEqual((first["etc/tool.conf"].mode, first["etc/tool.conf"].uid, first["etc/tool.conf"].gid), (0o640, 1000, 1000))
        self.assertEqual(first["bin"].linkname, "usr/bin")
        self.assertEqual(first["tmp"].mode, 0o1777)
        self.assertEqual(sorted(second), ["usr/bin/t", "usr/share/.wh.doc"])

    def test_users(self):
        first = contents_of_layer(self.build(self.recipe(RECIPE)), 0)
        self.assertIn("app:x:1000:1000:app:/:/usr/sbin/nologin\n", first["etc/passwd"])
        self.assertTrue(first["etc/passwd"].startswith("root:x:0:0:"))
        self.assertIn("adm:x:4:app\n", first["etc/group"])

    def test_docker_archive(self):
        files = contents(self.build(self.recipe(RECIPE), "--docker-archive"))
        manifest, = json.loads(files["manifest.json"])
        self.assertEqual(manifest["RepoTags"], ["demo:latest", "example.org:5000/demo:1"])
        config = json.loads(files[manifest["Config"]])
        digests = ["sha256:" + hashlib.sha256(files[name]).hexdigest() for name in manifest["Layers"]]
        self.assertEqual(config["rootfs"]["diff_ids"], digests)

    def test_same_input_same_bytes(self):
        recipe = self.recipe(RECIPE)
        for option in ([], ["--docker-archive"]):
            first = self.build(recipe, *option, name="a.tar").read_bytes()
            time.sleep(1.1)  # a time that slips in anywhere has whole seconds
            self.assertEqual(first, self.build(recipe, *option, name="b.tar").read_bytes())

    def test_other_input_other_digest(self):
        first = Layout(self.build(self.recipe(RECIPE)))
        second = Layout(self.build(self.recipe(RECIPE.replace("x = 1", "x = 2"))))
        self.assertNotEqual(first.manifest["config"]["digest"], second.manifest["config"]["digest"])

    def test_names_from_the_command_line(self):
        layout = Layout(self.build(self.recipe(RECIPE), "--name", "a/b:c"))
        self.assertEqual([item["annotations"]["io.containerd.image.name"] for item in layout.index["manifests"]], ["a/b:c"])


def contents_of_layer(path, number):
    """Text of the regular files of one layer."""
    import io
    import tarfile
    import zlib
    layout = Layout(path)
    tar = zlib.decompress(layout.blob(layout.manifest["layers"][number]), 31)
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return {member.name: archive.extractfile(member).read().decode(errors="replace") for member in archive if member.isreg()}
