"""Read arrays from an untrusted `.npz`: no pickles, and no more bytes than its directory states.

`numpy.load` trusts a member's header: a file of a few hundred bytes may claim an array of a terabyte,
and a small archive may unpack to one. This reader first adds up the sizes in the archive's directory
and compares the sum with the free memory. Then each header must agree with the directory to the byte,
and every checksum is verified.
"""

from __future__ import annotations

import math
import warnings
import zipfile
import zlib
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from halfstep.memory import available, gigabytes

_KINDS = "biufUS"
_PIECE = 1 << 24
_BROKEN = (
    *(OSError, EOFError, KeyError, IndexError, TypeError, ValueError, NotImplementedError),
    *(OverflowError, RuntimeError, SyntaxError, MemoryError, zipfile.BadZipFile, zlib.error),
)


class DamagedArchive(ValueError):
    """The file is not a whole `.npz` of plain arrays; the message says why."""


def read_arrays(stream: IO[bytes]) -> dict[str, npt.NDArray[Any]]:
    """Return all arrays of a `.npz` by name; pickled objects are left out and not read.

    Raises
    ------
    DamagedArchive
        The file is not a `.npz`, is damaged, holds anything but numbers and strings, or would not fit
        in memory.
    """
    free = available()
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            _check_sizes(members, free)
            arrays = {m.filename.removesuffix(".npy"): _read_member(archive, m) for m in members}
            return {name: array for name, array in arrays.items() if array is not None}
    except DamagedArchive:
        raise
    except _BROKEN as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DamagedArchive(reason) from error


def _check_sizes(members: list[zipfile.ZipInfo], free: int | None) -> None:
    names = [member.filename for member in members]
    if len(set(names)) < len(names) or not all(name.endswith(".npy") for name in names):
        raise DamagedArchive("it must hold .npy members, each once")
    unpacked = sum(member.file_size for member in members)
    if free is not None and unpacked > free:
        raise DamagedArchive(
            f"it unpacks to {gigabytes(unpacked)}, and {gigabytes(free)} of memory are free"
        )


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[Any] | None:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        readers: dict[tuple[int, int], Any] = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in readers:
            raise DamagedArchive(f"{member.filename} has format version {version}")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                shape, by_columns, dtype = readers[version](file)
            except Warning as warning:
                raise DamagedArchive(f"{member.filename}: {warning}") from None
        if dtype.hasobject:
            return None
        if dtype.kind not in _KINDS:
            raise DamagedArchive(f"{member.filename} must hold numbers or strings, got {dtype}")
        size = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or file.tell() + size != member.file_size:
            raise DamagedArchive(
                f"{member.filename} has {member.file_size} bytes, not as many as its header states"
            )
        content = np.empty(size, np.uint8)
        filled = 0
        while filled < size:
            piece = file.read(min(_PIECE, size - filled))
            if not piece:
                raise DamagedArchive(f"{member.filename} is cut short")
            content[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
            filled += len(piece)
        if file.read(1):  # reading to the end compares the checksum
            raise DamagedArchive(f"{member.filename} is longer than its header states")
    order: Any = "F" if by_columns else "C"
    array: npt.NDArray[Any] = np.ndarray(shape, dtype, content, order=order)
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))
