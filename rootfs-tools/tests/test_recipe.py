"""Recipes that are wrong, and the closure of libraries."""
import contextlib
import io
import os
import subprocess

from rootfs import elf
from rootfs.cli import main
from tests.support import Layout, Workspace


class RefusalTests(Workspace):
    def refused(self, text):
        error = io.StringIO()
        output = self.directory / "out.tar"
        with contextlib.redirect_stderr(error):
            code = main(["build", self.recipe(text), "-o", str(output), "--cache", str(self.directory / "cache")])
        self.assertEqual(code, 1)
        self.assertFalse(output.exists())
        self.assertEqual([name for name in os.listdir(self.directory) if name.startswith(".mkimage")], [])
        return error.getvalue()

    def test_unknown_key(self):
        self.assertIn("unknown key entry_point", self.refused("[config]\nentry_point = []\n[[layer]]\n"))

    def test_missing_key(self):
        self.assertIn("target is missing", self.refused('[[layer]]\n[[layer.link]]\npath = "/a"\n'))

    def test_no_layer(self):
        self.assertIn("at least one", self.refused('names = ["a"]\n'))

    def test_file_without_content(self):
        self.assertIn("either content or source", self.refused('[[layer]]\n[[layer.file]]\npath = "/a"\n'))

    def test_bad_mode(self):
        self.assertIn("octal", self.refused('[[layer]]\n[[layer.file]]\npath = "/a"\ncontent = ""\nmode = "rw"\n'))

    def test_not_toml(self):
        self.assertIn("test.toml", self.refused("[[layer"))

    def test_selected_file_that_is_not_there(self):
        self.assertIn("/bin/none", self.refused('[[layer]]\nselect = ["/bin/none"]\n'))

    def test_not_a_package(self):
        (self.directory / "bad.deb").write_bytes(b"no package")
        self.assertIn("bad.deb", self.refused('[[layer]]\ndebs = ["bad.deb"]\n'))

    def test_library_that_no_package_has(self):
        with open("/bin/ls", "rb") as file:
            self.deb("ls", {"/bin/ls": (file.read(), 0o755)})
        self.assertIn("which is in no package", self.refused('[[layer]]\ndebs = ["ls.deb"]\nselect = ["/bin/ls"]\n'))


class ClosureTests(Workspace):
    def test_needs(self):
        with open("/bin/ls", "rb") as file:
            needed = elf.needs(file.read(), "/bin/ls")
        self.assertIn("libc.so.6", needed.libraries)
        self.assertIn("/ld-linux", needed.interpreter)
        self.assertEqual(elf.needs(b"#!/usr/bin/env sh\n", "x").interpreter, "/usr/bin/env")
        self.assertEqual(elf.needs(b"text", "x").libraries, [])

    def test_closure_is_what_the_loader_opens(self):
        listing = subprocess.run(["ldd", "/bin/ls"], capture_output=True, text=True, check=True).stdout
        libraries = [word for word in listing.split() if word.startswith("/")]
        files = {path: (open(path, "rb").read(), 0o755) for path in ["/bin/ls", *libraries, "/usr/bin/env"]}
        self.deb("all", files)
        layer, = Layout(self.build(self.recipe('[[layer]]\ndebs = ["all.deb"]\nselect = ["/bin/ls"]\n'))).layers()
        for path in libraries:
            self.assertIn("usr/" + path.strip("/").removeprefix("usr/"), layer)
        self.assertNotIn("usr/bin/env", layer, "what nobody needs stays out")

    def test_links_are_followed(self):
        self.deb("links", {"/opt/real": b"data", "/opt/other": b"other"}, links=[("/opt/name", "second"), ("/opt/second", "real")])
        layer, = Layout(self.build(self.recipe('[[layer]]\ndebs = ["links.deb"]\nselect = ["/opt/name"]\n'))).layers()
        self.assertIn("opt/real", layer)
        self.assertNotIn("opt/other", layer)
