"""Small packages and recipes to test with, made on the spot."""
import io
import json
import subprocess
import tarfile
import tempfile
import unittest
import zlib
from pathlib import Path

from rootfs import apt
from rootfs.cli import main
from rootfs.image import digest


class Workspace(unittest.TestCase):
    """A test with a directory of its own."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = Path(scratch.name)

    def deb(self, name, files, links=()):
        """Builds a .deb; `files` maps paths to content or to (content, mode)."""
        root = self.directory / f"{name}.root"
        (root / "DEBIAN").mkdir(parents=True)
        (root / "DEBIAN/control").write_text(
            f"Package: {name}\nVersion: 1\nArchitecture: {apt.architecture()}\nMaintainer: Test <test@example.org>\nDescription: test\n")
        for path, value in files.items():
            data, mode = value if isinstance(value, tuple) else (value, 0o644)
            target = root / path.strip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            target.chmod(mode)
        for path, target in links:
            (root / path.strip("/")).parent.mkdir(parents=True, exist_ok=True)
            (root / path.strip("/")).symlink_to(target)
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", root, self.directory / f"{name}.deb"], check=True, capture_output=True)

    def recipe(self, text, name="test"):
        """Writes a recipe and returns its path."""
        path = self.directory / f"{name}.toml"
        path.write_text(text)
        return str(path)

    def build(self, recipe, *options, name="out.tar"):
        """Builds and returns the tarball's path; fails the test if mkimage fails."""
        output = self.directory / name
        self.assertEqual(main(["build", recipe, "-o", str(output), "--cache", str(self.directory / "cache"), *options]), 0)
        return output


def contents(path):
    """Files of a tarball: name to bytes."""
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isreg()}


class Layout:
    """An OCI layout tarball, every digest and size checked while it is read."""

    def __init__(self, path):
        self.files = contents(path)
        for name, data in self.files.items():
            if name.startswith("blobs/"):
                assert digest(data) == name.removeprefix("blobs/").replace("/", ":"), name
        self.index = json.loads(self.files["index.json"])
        self.manifest = json.loads(self.blob(self.index["manifests"][0]))
        self.config = json.loads(self.blob(self.manifest["config"]))

    def blob(self, descriptor):
        data = self.files["blobs/" + descriptor["digest"].replace(":", "/")]
        assert len(data) == descriptor["size"]
        return data

    def layers(self):
        """Members of each layer by name."""
        result = []
        for descriptor, diff in zip(self.manifest["layers"], self.config["rootfs"]["diff_ids"], strict=True):
            tar = zlib.decompress(self.blob(descriptor), 31)
            assert digest(tar) == diff
            with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
                result.append({member.name: member for member in archive})
        return result
