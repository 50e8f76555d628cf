"""OCI images from Debian packages and files. See `mkimage --help` and rootfs-tools/README.md."""


class MkimageError(Exception):
    """What went wrong, in one line that says what was expected and found."""
