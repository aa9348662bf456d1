"""Open a file whose content may be packed: .gz, .bz2, .xz, .zst or .zip, told by its first bytes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from halfstep.datasets.text.foreign import check_members
from halfstep.errors import InputError

_PACKINGS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",  # an empty one
}
_UNREADABLE = (
    *(OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile),
    # What a damaged directory of a .zip leads to.
    *(UnicodeDecodeError, IndexError, NotImplementedError, OverflowError, RuntimeError),
)


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


@contextmanager
def unpacked(path: Path, *, any_member: bool = False) -> Iterator[IO[bytes]]:
    """Open a file for reading; what is packed is unpacked on the way.

    `any_member`: take the first file of a .zip, however many it holds.

    Raises
    ------
    InputError
        The file is absent or damaged, or a .zip holds anything but one file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    packing = packing_of(path)
    try:
        if packing == "zip":
            with (
                zipfile.ZipFile(path) as archive,
                archive.open(_member(path, archive, any_member)) as inside,
            ):
                yield inside
            return
        with _opened(path, packing) as file:
            yield file
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: cannot be read: {reason}") from error


def _opened(path: Path, packing: str) -> IO[bytes]:
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


def _member(path: Path, archive: zipfile.ZipFile, any_member: bool) -> zipfile.ZipInfo:
    files = [
        member
        for member in archive.infolist()
        if not member.is_dir()
        and not member.filename.startswith("__MACOSX/")
        and not Path(member.filename).name.startswith(".")
    ]
    if not any_member:
        check_members(path, [member.filename for member in files])
        if files and all(member.filename.endswith(".npy") for member in files):
            raise InputError(f"{path}: a NumPy .npz of arrays, not a text table")
    if len(files) != 1 and not (files and any_member):
        names = ", ".join(member.filename for member in files[:10]) or "none"
        raise InputError(
            f"{path}: a .zip must hold one file, it holds {names}; unpack it and name the table"
        )
    if files[0].flag_bits & 1:
        raise InputError(f"{path}: the file in it is encrypted; unpack it first")
    return files[0]
