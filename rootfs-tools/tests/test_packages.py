"""The recipes that come with the tool, built from the real packages. Needs apt's package lists."""
import os
import shutil
import subprocess
import unittest

from rootfs.apt import PackageCache, sha256
from rootfs.cli import RECIPES, main, parser
from tests.support import Layout, Workspace

CACHE = parser().parse_args(["build", "x", "-o", "x"]).cache
TRIALS = {
    "busybox": ["/bin/sh", "-c", "echo fine | /usr/bin/tr a-z a-z && [ \"$(id -un)\" = root ]"],
    "curl": ["/bin/sh", "-c", "/usr/bin/curl --version && /usr/bin/curl -s file:///etc/passwd >/dev/null"],
    "nginx": ["/usr/sbin/nginx", "-t"],
    "python3": ["/usr/bin/python3", "-c", "import ssl, sqlite3, ctypes, lzma, curses, threading, urllib.request; print('fine')"],
}


class PackageTests(Workspace):
    def test_every_recipe_has_a_trial(self):
        self.assertEqual(sorted(TRIALS), sorted(path.stem for path in RECIPES.glob("*.toml")))

    def test_recipes_build_and_run(self):
        for name, command in TRIALS.items():
            with self.subTest(name):
                output = self.directory / f"{name}.tar"
                self.assertEqual(main(["build", name, "-o", str(output), "--cache", CACHE]), 0)
                root = self.directory / name
                self.unpack(Layout(output), root)
                self.run_inside(root, command)

    def test_same_digest_from_a_cache_that_was_emptied(self):
        first, second = self.directory / "a.tar", self.directory / "b.tar"
        self.assertEqual(main(["build", "busybox", "-o", str(first), "--cache", CACHE]), 0)
        self.assertEqual(main(["build", "busybox", "-o", str(second), "--cache", str(self.directory / "empty")]), 0)
        self.assertEqual(sha256(first), sha256(second))

    def test_damaged_download_is_fetched_again(self):
        cache = PackageCache(self.directory / "cache")
        package, = cache.fetch(["busybox-static"])
        whole = sha256(package)
        package.write_bytes(b"damaged")
        package, = cache.fetch(["busybox-static"])
        self.assertEqual(sha256(package), whole)

    def unpack(self, layout, root):
        root.mkdir()
        for number, descriptor in enumerate(layout.manifest["layers"]):
            blob = self.directory / f"layer{number}"
            blob.write_bytes(layout.blob(descriptor))
            subprocess.run(["tar", "-xzf", blob, "-C", root], check=True)

    def run_inside(self, root, command):
        if os.geteuid() != 0 or shutil.which("chroot") is None:
            raise unittest.SkipTest("running the image needs root")
        result = subprocess.run(["chroot", root, *command], capture_output=True, text=True)
        self.assertEqual(result.returncode, 0, result.stderr)
