"""What an executable needs to run: its interpreter and its shared libraries, read from the ELF file itself."""
import struct

from . import MkimageError

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NULL, DT_NEEDED, DT_STRTAB, DT_STRSZ, DT_RPATH, DT_RUNPATH = 0, 1, 5, 10, 15, 29


class Needs:
    """The loader, the names of the libraries, and the directories that the file itself adds to the search."""

    def __init__(self, interpreter=None, libraries=(), search=()):
        self.interpreter, self.libraries, self.search = interpreter, list(libraries), list(search)


def needs(data, path):
    """What the file with the content `data` needs; nothing if it is neither ELF nor a script."""
    if data[:2] == b"#!":
        words = data[2:256].split(b"\n", 1)[0].split()
        return Needs(interpreter=words[0].decode() if words else None)
    if data[:4] != b"\x7fELF":
        return Needs()
    try:
        return _elf(data, path)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise MkimageError(f"{path}: expected a whole ELF file: {error}") from error


def _elf(data, path):
    if data[4] != 2 or data[5] != 1:
        raise MkimageError(f"{path}: expected a 64-bit little-endian ELF file")
    offset, = struct.unpack_from("<Q", data, 0x20)
    size, count = struct.unpack_from("<HH", data, 0x36)
    loads, dynamic, interpreter = [], None, None
    for index in range(count):
        kind, _, start, address, _, length = struct.unpack_from("<IIQQQQ", data, offset + index * size)
        if kind == PT_LOAD:
            loads.append((address, start, length))
        elif kind == PT_DYNAMIC:
            dynamic = (start, length)
        elif kind == PT_INTERP:
            interpreter = data[start:start + length].rstrip(b"\0").decode()
    if dynamic is None:
        return Needs(interpreter)
    entries = []
    for position in range(dynamic[0], dynamic[0] + dynamic[1], 16):
        tag, value = struct.unpack_from("<QQ", data, position)
        if tag == DT_NULL:
            break
        entries.append((tag, value))
    address = dict(entries)[DT_STRTAB] if DT_STRTAB in dict(entries) else None
    strings = next((start + address - base for base, start, length in loads
                    if address is not None and base <= address < base + length), None)
    if strings is None:
        return Needs(interpreter)

    def text(value):
        begin = strings + value
        return data[begin:data.index(b"\0", begin)].decode()

    libraries = [text(value) for tag, value in entries if tag == DT_NEEDED]
    search = [part for tag, value in entries if tag in (DT_RPATH, DT_RUNPATH) for part in text(value).split(":") if part]
    return Needs(interpreter, libraries, search)
