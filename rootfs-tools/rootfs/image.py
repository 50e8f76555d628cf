"""Writes an image: OCI image layout, or what `docker save` writes. The same tree gives the same bytes."""
import hashlib
import io
import json
import os
import tarfile
import tempfile
import zlib
from datetime import datetime, timezone

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
# containerd names images by this annotation, podman, skopeo and umoci by the one of the specification.
NAME_ANNOTATIONS = ("org.opencontainers.image.ref.name", "io.containerd.image.name")


def digest(data):
    """`sha256:` and the hexadecimal digest."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def encode(value):
    """JSON as bytes, members in a fixed order."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def gzip(data):
    """Gzip without name and time, so that it depends on the content only."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    return compressor.compress(data) + compressor.flush()


class Image:
    """Layers, configuration and names of one image."""

    def __init__(self, names, config, layers, architecture, epoch):
        self.names, self.epoch = names, epoch
        self.tars = layers
        created = datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.config = encode({
            "created": created,
            "architecture": architecture,
            "os": "linux",
            "config": oci_config(config),
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
            "history": [{"created": created, "created_by": "rootfs-tools/mkimage"} for _ in layers],
        })

    def layout(self):
        """The files of an OCI image layout."""
        blobs = {digest(self.config): self.config}
        layers = []
        for tar in self.tars:
            compressed = gzip(tar)
            blobs[digest(compressed)] = compressed
            layers.append(descriptor(LAYER, compressed))
        manifest = encode({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, self.config), "layers": layers})
        blobs[digest(manifest)] = manifest
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            {**descriptor(MANIFEST, manifest), "annotations": {key: name for key in NAME_ANNOTATIONS}} for name in self.names]}
        files = {"oci-layout": encode({"imageLayoutVersion": "1.0.0"}), "index.json": encode(index)}
        files.update({"blobs/sha256/" + name.removeprefix("sha256:"): data for name, data in blobs.items()})
        return files

    def docker_archive(self):
        """The files of a `docker save` archive."""
        config = digest(self.config).removeprefix("sha256:") + ".json"
        layers = {digest(tar).removeprefix("sha256:") + "/layer.tar": tar for tar in self.tars}
        order = [digest(tar).removeprefix("sha256:") + "/layer.tar" for tar in self.tars]
        manifest = [{"Config": config, "RepoTags": [familiar(name) for name in self.names], "Layers": order}]
        return {config: self.config, "manifest.json": encode(manifest), **layers}

    def write(self, path, docker=False):
        """Writes the tarball; the path has either the old content or the whole new one."""
        files = self.docker_archive() if docker else self.layout()
        directories = sorted({name[:index] for name in files for index, letter in enumerate(name) if letter == "/"})
        folder = os.path.dirname(os.path.abspath(path))
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".mkimage-", delete=False) as output:
            try:
                with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
                    for name in directories:
                        archive.addfile(self._header(name + "/", tarfile.DIRTYPE, 0o755, 0))
                    for name in sorted(files):
                        archive.addfile(self._header(name, tarfile.REGTYPE, 0o644, len(files[name])), io.BytesIO(files[name]))
                output.flush()
                os.chmod(output.name, 0o644)
                os.replace(output.name, path)
            except BaseException:
                os.unlink(output.name)
                raise

    def _header(self, name, kind, mode, size):
        header = tarfile.TarInfo(name)
        header.type, header.mode, header.size, header.mtime = kind, mode, size, self.epoch
        return header


def descriptor(media_type, data):
    """An OCI content descriptor."""
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


def familiar(name):
    """The name as Docker prints it: `nginx:latest` for `docker.io/library/nginx:latest`."""
    return name.removeprefix("docker.io/library/").removeprefix("docker.io/")


def oci_config(config):
    """The `config` member of an image configuration from a recipe's [config]."""
    names = {"entrypoint": "Entrypoint", "cmd": "Cmd", "env": "Env", "user": "User", "working_dir": "WorkingDir",
             "labels": "Labels", "stop_signal": "StopSignal"}
    result = {names[key]: value for key, value in config.items() if key in names}
    for key, name in (("exposed_ports", "ExposedPorts"), ("volumes", "Volumes")):
        if key in config:
            result[name] = {item: {} for item in config[key]}
    result.setdefault("Env", ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"])
    return result
