"""The first bytes of a file, unpacked, by which its format is told."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from halfstep.datasets.text.blocks import read_all
from halfstep.errors import InputError

_HEAD = 1 << 16
_ZSTD = b"\x28\xb5\x2f\xfd"
_PACKINGS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    _ZSTD: "zstd",
    b"PK\x03\x04": "zip",
}


def packing_of(path: Path) -> str:
    """Return "gzip", "bzip2", "xz", "zstd" or "zip" by a file's first bytes, "" for a plain one.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    return next((name for magic, name in _PACKINGS.items() if start.startswith(magic)), "")


def head(path: Path) -> bytes:
    """Return the first 64 KiB of a file, unpacked; b"" if what is packed is damaged.

    Whoever reads the file next says what is damaged.
    """
    with suppress(InputError), opened(path) as file:
        return file.read(_HEAD)
    return b""


def read_text(path: Path) -> str:
    """Return all text of a small file, unpacked: UTF-8, or else Windows-1252.

    Raises
    ------
    InputError
        The file cannot be unpacked, or is no text.
    """
    with opened(path) as file:
        raw = read_all(file, path)
    for encoding in ("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "cp1252"):
        with suppress(UnicodeDecodeError):
            text = raw.decode(encoding)
            if "\0" not in text:
                return text
    raise InputError(f"{path}: not a text file")


def lines(start: bytes) -> list[str]:
    """Return the whole lines of the first bytes of a file."""
    text = start.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    found = text.splitlines()
    return found[:-1] if len(start) >= _HEAD else found


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, unpacked; of a zip archive, the first file in it.

    Raises
    ------
    InputError
        The file cannot be opened or unpacked.
    """
    packing = packing_of(path)
    try:
        if packing == "zip":
            with zipfile.ZipFile(path) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
                if not members:
                    raise InputError(f"{path}: the archive holds no file")
                with archive.open(members[0]) as file:
                    yield file
        else:
            with _unpacked(path, packing) as file:
                yield file
    except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: cannot be read: {reason}") from error


def _unpacked(path: Path, packing: str) -> IO[bytes]:
    if packing == "gzip":
        return cast("IO[bytes]", gzip.open(path, "rb"))
    if packing == "bzip2":
        return cast("IO[bytes]", bz2.open(path, "rb"))
    if packing == "xz":
        return cast("IO[bytes]", lzma.open(path, "rb"))
    if packing == "zstd":
        import pyarrow as pa

        return cast("IO[bytes]", pa.CompressedInputStream(str(path), "zstd"))
    return path.open("rb")
