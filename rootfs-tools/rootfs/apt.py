"""Debian packages: dependency resolution and download by apt, reading by dpkg-deb. Nothing is installed."""
import fcntl
import hashlib
import os
import shlex
import subprocess
import tarfile
import tempfile
from pathlib import Path

from . import MkimageError


class PackageCache:
    """Resolves and downloads packages into a directory. Several mkimage processes may share it."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)

    def fetch(self, packages):
        """Paths of the .deb files of `packages` and of everything they depend on, dependencies first."""
        if not packages:
            return []
        with open(self.directory / "lock", "w") as lock, tempfile.TemporaryDirectory(dir=self.directory) as scratch:
            fcntl.flock(lock, fcntl.LOCK_EX)
            wanted = self._resolve(packages, scratch)
            missing = [(name, digest) for name, digest in wanted if not self._has(name, digest)]
            if missing:
                self._download(packages, missing, scratch)
            return [self.directory / name for name, _ in wanted]

    def _resolve(self, packages, scratch):
        """File name and SHA-256 of each package, as apt would install them on an empty machine."""
        output = self._apt(["--print-uris", "-qq", "install", *packages], scratch)
        wanted = []
        for line in output.splitlines():
            fields = shlex.split(line)
            if len(fields) != 4 or not fields[3].startswith("SHA256:"):
                raise MkimageError(f"expected a package's address and SHA-256 from apt-get, found: {line}")
            wanted.append((fields[1], fields[3].removeprefix("SHA256:")))
        return wanted

    def _download(self, packages, missing, scratch):
        for deb in self.directory.glob("*.deb"):
            os.link(deb, Path(scratch) / deb.name)
        self._apt(["--download-only", "install", *packages], scratch)
        for name, digest in missing:
            downloaded = Path(scratch) / name
            found = sha256(downloaded) if downloaded.exists() else "no file"
            if found != digest:
                raise MkimageError(f"{name}: expected SHA-256 {digest}, found {found}")
            os.replace(downloaded, self.directory / name)

    def _has(self, name, digest):
        path = self.directory / name
        return path.exists() and sha256(path) == digest

    def _apt(self, arguments, scratch):
        # An empty status file makes apt resolve as for an empty machine, so the host's own packages do not matter.
        status = Path(scratch) / "status"
        status.touch()
        (Path(scratch) / "partial").mkdir(exist_ok=True)
        options = [
            f"Dir::State::status={status}", f"Dir::Cache::archives={scratch}", "APT::Install-Recommends=0",
            "APT::Install-Suggests=0", "Acquire::ForceHash=SHA256", "APT::Sandbox::User=root", "Debug::NoLocking=1",
        ]
        command = ["apt-get", "-y"] + [word for option in options for word in ("-o", option)] + arguments
        result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
        if result.returncode != 0:
            reason = " ".join(line for line in result.stderr.splitlines() if line.startswith("E:")) or result.stderr.strip()
            raise MkimageError(f"apt-get could not get {' '.join(arguments[-3:])}: {reason} (is `apt-get update` done?)")
        return result.stdout


def sha256(path):
    """The file's SHA-256 in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(deb, tree):
    """Adds the files of a .deb to the tree, with the owners and modes of the package. Maintainer scripts do not run."""
    process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE)
    with process.stdout:
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for member in archive:
                    tree.add_member(member, archive)
        except tarfile.TarError as error:
            raise MkimageError(f"{deb}: expected a Debian package: {error}") from error
        finally:
            process.stdout.read()
            code = process.wait()
    if code != 0:
        raise MkimageError(f"{deb}: expected a Debian package, dpkg-deb exited with {code}")


def architecture():
    """Debian's name of this machine's architecture, which is also OCI's for those that Swiftlet runs on."""
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
