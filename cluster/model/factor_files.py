"""One shard's factors as a `.npy` file; `model.json` states its SHA-256 digest and its shape."""

from __future__ import annotations

import hashlib
import io
from typing import IO, NamedTuple

import numpy as np

from halfstep.distributed.storage import Folder
from halfstep.errors import InputError
from halfstep.types import Floats

MODEL = "model"
REMEDY = "fit again with resume=True, or copy the model's folder again"
_PIECE = 1 << 24


class FactorFile(NamedTuple):
    """A file of factors: its name in the folder `model`, shape (rows, f), dtype and SHA-256 in hex."""

    name: str
    shape: tuple[int, int]
    dtype: str
    digest: str


def write_factors(folder: Folder, side: str, shard: int, factors: Floats) -> FactorFile:
    """Write the factors (rows, f) of a shard under a fit's folder, whole or not at all; describe it."""
    array = np.ascontiguousarray(factors)
    name = f"{side}-{shard:05d}.npy"
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(array))
    digest = hashlib.sha256(head.getvalue())
    content = array.reshape(-1).view(np.uint8)
    with folder.child(MODEL).writing(name) as stream:
        stream.write(head.getvalue())
        for start in range(0, len(content), _PIECE):
            piece = content[start : start + _PIECE].data
            digest.update(piece)
            stream.write(piece)
    rows, width = array.shape
    return FactorFile(name, (rows, width), array.dtype.name, digest.hexdigest())


def read_factors(folder: Folder, file: FactorFile, out: Floats | None = None) -> Floats:
    """Read a file of factors into `out` (rows, f), C-contiguous, or a new array, and return it.

    Raises
    ------
    InputError
        The file is missing, or has another shape, dtype or digest than the model states.
    """
    models = folder.child(MODEL)
    where = f"{models.url}/{file.name}"
    if not models.exists(file.name):
        raise InputError(f"the model's file {where} is missing: {REMEDY}")
    array = np.empty(file.shape, file.dtype) if out is None else out
    if array.shape != file.shape or array.dtype != file.dtype or not array.flags.c_contiguous:
        raise ValueError(f"out must be C-contiguous {file.dtype} of shape {file.shape}")
    with models.reading(file.name) as stream:
        reason = _fill(stream, array, file.digest)
    if reason:
        raise InputError(f"the model's file {where} is damaged ({reason}): {REMEDY}")
    return array


def _fill(stream: IO[bytes], array: Floats, digest: str) -> str | None:
    """Read a `.npy` into an array of its shape and dtype, and return what is wrong with the file."""
    begin = stream.read(10)
    head = begin + stream.read(int.from_bytes(begin[8:10], "little"))
    try:
        source = io.BytesIO(head)
        if np.lib.format.read_magic(source) != (1, 0):
            return "it has another version of the .npy format"
        shape, by_columns, dtype = np.lib.format.read_array_header_1_0(source)
    except ValueError:
        return "its head is no .npy's"
    if shape != array.shape or dtype != array.dtype or by_columns:
        return f"it holds {dtype} of shape {shape}, not {array.dtype} of shape {array.shape}"
    found = hashlib.sha256(head)
    content = array.reshape(-1).view(np.uint8).data
    at = 0
    while at < len(content):
        piece = stream.read(min(_PIECE, len(content) - at))
        if not piece:
            return f"it is cut short, {len(content) - at:,} bytes are missing"
        content[at : at + len(piece)] = piece
        found.update(piece)
        at += len(piece)
    if stream.read(1):
        return "it is longer than its head states"
    return None if found.hexdigest() == digest else "its SHA-256 digest is another one"
