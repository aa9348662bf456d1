"""Files of several parts, each of which is read alone: what one task of a round leaves for many.

A file begins with the places where its parts begin, and its length: int64, one more than parts.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from halfstep.distributed.storage import Folder

if TYPE_CHECKING:
    import pyarrow as pa

_PLACE = 8  # bytes
_READERS = 16  # an object store answers late, and many questions at one time


def write_bundle(folder: Folder, name: str, parts: Sequence[bytes | memoryview]) -> None:
    """Write the parts of a file; an older file of the name is replaced."""
    lengths = [memoryview(part).nbytes for part in parts]
    places = np.cumsum([_PLACE * (len(parts) + 1), *lengths], dtype=np.int64)
    with folder.writing(name, lasting=False) as file:
        file.write(places.tobytes())
        for part in parts:
            file.write(part)


def read_part(folder: Folder, name: str, part: int) -> bytes:
    """Return a part of a file."""
    places = folder.read(name, _PLACE * part, _PLACE * (part + 2))
    first, stop = np.frombuffer(places, np.int64).tolist()
    return folder.read(name, first, stop) if first < stop else b""


def read_parts(folder: Folder, which: Sequence[tuple[str, int]]) -> list[bytes]:
    """Return parts of several files, (name, part) each, in their order; many are read at one time."""
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(lambda one: read_part(folder, *one), which))


def packed(*arrays: npt.NDArray[Any]) -> memoryview:
    """Return arrays of one dimension as bytes."""
    buffer = io.BytesIO()
    for array in arrays:
        np.save(buffer, array, allow_pickle=False)
    return buffer.getbuffer()


def unpacked(text: bytes, count: int) -> list[npt.NDArray[Any]]:
    """Return the `count` arrays that `packed` made bytes of."""
    buffer = io.BytesIO(text)
    return [np.load(buffer, allow_pickle=False) for _ in range(count)]


def packed_table(table: pa.Table) -> memoryview:
    """Return a table of Arrow as bytes."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return memoryview(sink.getvalue())


def unpacked_table(text: bytes) -> pa.Table:
    """Return the table that `packed_table` made bytes of."""
    import pyarrow as pa

    with pa.ipc.open_stream(text) as reader:
        return reader.read_all()
