"""Reads a recipe (TOML) and makes the file tree of its image. rootfs-tools/README.md describes the keys."""
import glob
import os
import subprocess
import tarfile
import tempfile
import tomllib
from pathlib import Path

from . import MkimageError, apt
from .tree import Entry, Tree

KEYS = {
    "recipe": {"names", "config", "users", "layer"},
    "config": {"entrypoint", "cmd", "env", "user", "working_dir", "exposed_ports", "volumes", "labels", "stop_signal"},
    "user": {"name", "uid", "gid", "home", "shell", "comment", "groups"},
    "layer": {"packages", "debs", "select", "exclude", "remove", "file", "directory", "link", "applets"},
    "file": {"path", "content", "source", "mode", "uid", "gid"},
    "directory": {"path", "mode", "uid", "gid"},
    "link": {"path", "target"},
    "applets": {"binary"},
}
ROOT = {"name": "root", "uid": 0, "gid": 0, "home": "/root", "shell": "/bin/sh"}
NOBODY = {"name": "nobody", "uid": 65534, "gid": 65534, "home": "/nonexistent", "shell": "/usr/sbin/nologin"}


class Recipe:
    """What a recipe file says, checked: a key that means nothing is an error, not a surprise."""

    def __init__(self, path):
        self.path = Path(path)
        try:
            self.values = tomllib.loads(self.path.read_text())
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise MkimageError(f"{path}: {error}") from error
        self._check("recipe", self.values)
        self.config = self.values.get("config", {})
        self._check("config", self.config)
        self.users = [ROOT, *self.values.get("users", []), NOBODY]
        for user in self.users:
            self._check("user", user, required={"name", "uid"})
        self.layers = self.values.get("layer", [])
        if not self.layers:
            raise MkimageError(f"{path}: expected at least one [[layer]]")
        for layer in self.layers:
            self._check("layer", layer)
            for key, required in (("file", {"path"}), ("directory", {"path"}), ("link", {"path", "target"}), ("applets", {"binary"})):
                for item in layer.get(key, []):
                    self._check(key, item, required)
        self.names = self.values.get("names", [f"docker.io/library/{self.path.stem}:latest"])

    def _check(self, what, table, required=frozenset()):
        unknown, absent = table.keys() - KEYS[what], required - table.keys()
        if unknown or absent:
            raise MkimageError(f"{self.path}: {what}: " + ", ".join(
                [f"unknown key {key}" for key in sorted(unknown)] + [f"{key} is missing" for key in sorted(absent)]))

    def build(self, cache):
        """The tree of the image, every entry marked with the number of its layer."""
        tree = Tree()
        tree.merge_usr()
        for number, layer in enumerate(self.layers):
            tree.layer = number
            self._packages(layer, tree, cache)
            if number == 0:
                self._base(tree)
            for item in layer.get("applets", []):
                add_applets(tree, item["binary"])
            for item in layer.get("directory", []):
                tree.put(item["path"], Entry(tarfile.DIRTYPE, mode_of(item, "0755"), item.get("uid", 0), item.get("gid", 0)))
            for item in layer.get("file", []):
                self._file(tree, item)
            for item in layer.get("link", []):
                tree.link(item["path"], item["target"])
            for path in layer.get("remove", []):
                tree.remove(path)
        return tree

    def _packages(self, layer, tree, cache):
        for pattern in layer.get("debs", []):
            found = sorted(glob.glob(str(self.path.parent / pattern)))
            if not found:
                raise MkimageError(f"{self.path}: no package file matches {pattern}")
            for deb in found:
                apt.unpack(deb, tree)
        for deb in cache.fetch(layer.get("packages", [])):
            apt.unpack(deb, tree)
        for pattern in layer.get("exclude", []):
            for path in tree.match(pattern):
                if path in tree.entries and tree.entries[path].layer == tree.layer:
                    del tree.entries[path]
        if "select" in layer:
            links = ["/bin", "/sbin", "/lib", "/lib64", "/usr"] if tree.layer == 0 else []
            tree.keep(tree.closure(layer["select"] + links) | {"usr/bin", "usr/sbin", "usr/lib", "usr/lib64"})

    def _base(self, tree):
        """What every container expects, and what Debian's base-files and passwd make in their scripts."""
        for path, mode in (("etc", 0o755), ("root", 0o700), ("run", 0o755), ("tmp", 0o1777), ("var/tmp", 0o1777), ("proc", 0o755),
                           ("sys", 0o755), ("dev", 0o755), ("home", 0o755), ("mnt", 0o755), ("var/log", 0o755)):
            tree.directory(path, mode)
        if "var/run" not in tree.entries:
            tree.link("var/run", "/run")
        passwd, groups = [], {}
        for user in self.users:
            group = user.get("gid", user["uid"])
            shell = user.get("shell", "/usr/sbin/nologin")
            passwd.append(f"{user['name']}:x:{user['uid']}:{group}:{user.get('comment', user['name'])}:{user.get('home', '/')}:{shell}\n")
            groups.setdefault(user["name"] if user["name"] != "nobody" else "nogroup", (group, []))
            for name, number in user.get("groups", {}).items():
                groups.setdefault(name, (number, []))[1].append(user["name"])
        tree.file("etc/passwd", "".join(passwd).encode())
        tree.file("etc/group", "".join(f"{name}:x:{number}:{','.join(members)}\n" for name, (number, members) in groups.items()).encode())
        if "etc/nsswitch.conf" not in tree.entries:
            tree.file("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n")

    def _file(self, tree, item):
        if ("content" in item) == ("source" in item):
            raise MkimageError(f"{self.path}: {item['path']}: expected either content or source")
        if "content" in item:
            data = item["content"].encode()
        else:
            try:
                data = (self.path.parent / item["source"]).read_bytes()
            except OSError as error:
                raise MkimageError(f"{self.path}: {item['path']}: {error}") from error
        tree.file(item["path"], data, mode_of(item, "0644"), item.get("uid", 0), item.get("gid", 0))


def mode_of(item, default):
    """The mode of a file or directory, written in octal in a string."""
    try:
        return int(item.get("mode", default), 8)
    except (TypeError, ValueError) as error:
        raise MkimageError(f"{item['path']}: expected the mode as an octal string such as \"0644\", found {item['mode']!r}") from error


def add_applets(tree, binary):
    """Links every applet that a busybox binary says it has to that binary."""
    path = tree.resolve(binary, follow_last=True)
    if path not in tree.entries:
        raise MkimageError(f"{binary}: no package of this layer has such a file")
    with tempfile.TemporaryDirectory() as scratch:
        program = os.path.join(scratch, "busybox")
        with open(program, "wb") as file:
            file.write(tree.entries[path].data)
        os.chmod(program, 0o755)
        listing = subprocess.run([program, "--list-full"], capture_output=True, text=True, check=True).stdout
    for applet in sorted(set(listing.split())):
        where = tree.resolve(applet)
        if where not in tree.entries:
            tree.link(where, os.path.relpath("/" + path, "/" + os.path.dirname(where)))
