"""A file system in memory: what packages and recipes put together, and what a layer is written from."""
import fnmatch
import io
import posixpath
import tarfile

from . import MkimageError, elf

# Debian 12 has one /usr; its packages still ship files under the old names.
MERGED_USR = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}


class Entry:
    """One file, directory, symbolic link or device. `layer` is the number of the layer that brought it."""

    def __init__(self, kind, mode=0o644, uid=0, gid=0, data=b"", target="", device=(0, 0), layer=0):
        self.kind, self.mode, self.uid, self.gid = kind, mode, uid, gid
        self.data, self.target, self.device, self.layer = data, target, device, layer

    def __eq__(self, other):
        """Whether both are the same file, whichever layer brought them."""
        return isinstance(other, Entry) and {**vars(self), "layer": 0} == {**vars(other), "layer": 0}


class Tree:
    """Paths are relative, without leading or trailing slash. Parents are directories, made as needed."""

    def __init__(self):
        self.entries = {}
        self.layer = 0
        self.whiteouts = {}

    def merge_usr(self):
        """Makes /bin, /sbin, /lib and /lib64 links into /usr."""
        for link, target in MERGED_USR.items():
            self.directory(target)
            self.link(link, target)

    def resolve(self, path, follow_last=False, depth=0):
        """The path with links in its parents (and in itself if asked) followed inside this tree."""
        if depth > 40:
            raise MkimageError(f"{path}: too many symbolic links")
        done = []
        parts = [part for part in path.split("/") if part not in ("", ".")]
        for index, part in enumerate(parts):
            if part == "..":
                done = done[:-1]
                continue
            here = "/".join(done + [part])
            entry = self.entries.get(here)
            if entry is not None and entry.kind == tarfile.SYMTYPE and (follow_last or index + 1 < len(parts)):
                rest = "/".join(parts[index + 1:])
                base = entry.target if entry.target.startswith("/") else "/".join(done + [entry.target])
                return self.resolve(posixpath.join(base, rest) if rest else base, follow_last, depth + 1)
            done.append(part)
        return "/".join(done)

    def put(self, path, entry):
        """Adds or replaces an entry. A directory keeps its content when it is put again."""
        path = self.resolve(path)
        if not path:
            return
        parent = posixpath.dirname(path)
        if parent and parent not in self.entries:
            self.put(parent, Entry(tarfile.DIRTYPE, 0o755))
        entry.layer = self.layer
        if entry != self.entries.get(path):
            self.entries[path] = entry

    def directory(self, path, mode=0o755, uid=0, gid=0):
        """Makes a directory; one that is there already keeps its owner and mode."""
        resolved = self.resolve(path, follow_last=True)
        if resolved not in self.entries:
            self.put(resolved, Entry(tarfile.DIRTYPE, mode, uid, gid))

    def link(self, path, target):
        """Makes a symbolic link."""
        self.put(path, Entry(tarfile.SYMTYPE, 0o777, target=target))

    def file(self, path, data, mode=0o644, uid=0, gid=0):
        """Makes a regular file."""
        self.put(path, Entry(tarfile.REGTYPE, mode, uid, gid, data=data))

    def remove(self, path):
        """Removes a path and what is under it; a lower layer's is hidden by a whiteout."""
        path = self.resolve(path)
        doomed = [name for name in self.entries if name == path or name.startswith(path + "/")]
        if any(self.entries[name].layer < self.layer for name in doomed):
            self.whiteouts.setdefault(self.layer, set()).add(path)
        for name in doomed:
            del self.entries[name]

    def add_member(self, member, archive):
        """Adds a member of a tar archive that is being read."""
        path = member.name.removeprefix("./")
        if member.isdir():
            if self.entries.get(self.resolve(path, follow_last=True), Entry(None)).kind != tarfile.DIRTYPE:
                self.put(path, Entry(tarfile.DIRTYPE, member.mode, member.uid, member.gid))
        elif member.isreg():
            self.file(path, archive.extractfile(member).read(), member.mode, member.uid, member.gid)
        elif member.issym():
            self.link(path, member.linkname)
        elif member.islnk():
            source = self.entries.get(self.resolve(member.linkname.removeprefix("./")))
            if source is None:
                raise MkimageError(f"{member.name}: hard link to {member.linkname}, which is not there")
            self.file(path, source.data, source.mode, source.uid, source.gid)
        else:
            self.put(path, Entry(member.type, member.mode, member.uid, member.gid, device=(member.devmajor, member.devminor)))

    def match(self, pattern):
        """Paths that match a glob; `**` at the end takes everything below. Links in the pattern's parents are followed."""
        pattern = pattern.strip("/")
        if pattern.endswith("/**"):
            base = self.resolve(pattern[:-3], follow_last=True)
            return [path for path in self.entries if path == base or path.startswith(base + "/")]
        resolved = self.resolve(pattern)
        if resolved in self.entries:
            return [resolved]
        return [path for path in self.entries if fnmatch.fnmatchcase(path, resolved) and path.count("/") == resolved.count("/")]

    def closure(self, patterns):
        """The paths matched, the links they go through, their loaders and shared libraries, and all parents."""
        chosen, queue = set(), []
        for pattern in patterns:
            found = self.match(pattern)
            if not found:
                raise MkimageError(f"{pattern}: no package of this layer has such a file")
            queue += found
        while queue:
            path = queue.pop()
            if path in chosen:
                continue
            chosen.add(path)
            entry = self.entries[path]
            if entry.kind == tarfile.SYMTYPE:
                target = self.resolve(path, follow_last=True)
                queue += [target] if target in self.entries else []
            elif entry.kind == tarfile.REGTYPE:
                queue += self._needed(path, entry)
        for path in list(chosen):
            while path := posixpath.dirname(path):
                chosen.add(path)
        return chosen

    def _needed(self, path, entry):
        wanted = elf.needs(entry.data, path)
        found = []
        if wanted.interpreter and self.resolve(wanted.interpreter, follow_last=True) in self.entries:
            found.append(self.resolve(wanted.interpreter))
            # The loader is opened by the very name in the file, so the links on the way are needed too.
            found.append(self.resolve(wanted.interpreter, follow_last=True))
        origin = "/" + posixpath.dirname(path)
        places = [part.replace("$ORIGIN", origin).replace("${ORIGIN}", origin) for part in wanted.search] + self._library_directories()
        for name in wanted.libraries:
            candidates = (self.resolve(f"{place}/{name}") for place in places)
            library = next((candidate for candidate in candidates if candidate in self.entries), None)
            if library is None:
                raise MkimageError(f"{path} needs {name}, which is in no package of this layer")
            found.append(library)
        return found

    def _library_directories(self):
        triplets = sorted(path for path in self.entries if path.startswith("usr/lib/") and path.endswith("-linux-gnu") and path.count("/") == 2)
        return ["/" + path for path in triplets] + ["/usr/lib", "/usr/lib64"]

    def keep(self, chosen):
        """Drops what this layer brought and nobody chose."""
        for path in [path for path, entry in self.entries.items() if entry.layer == self.layer and path not in chosen]:
            del self.entries[path]

    def write_layer(self, layer, mtime):
        """The tar archive of one layer: sorted, one time for all, so that the same tree gives the same bytes."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in sorted(self.whiteouts.get(layer, ())):
                header = tarfile.TarInfo(posixpath.join(posixpath.dirname(path), ".wh." + posixpath.basename(path)))
                header.mtime = mtime
                archive.addfile(header)
            for path, entry in sorted(self.entries.items()):
                if entry.layer != layer:
                    continue
                header = tarfile.TarInfo(path + "/" if entry.kind == tarfile.DIRTYPE else path)
                header.type, header.mode, header.uid, header.gid, header.mtime = entry.kind, entry.mode & 0o7777, entry.uid, entry.gid, mtime
                header.linkname, header.size = entry.target, len(entry.data)
                header.devmajor, header.devminor = entry.device
                archive.addfile(header, io.BytesIO(entry.data))
        return buffer.getvalue()
