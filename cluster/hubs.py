"""Hubs: rows with so many entries that these are kept in pieces, apart from the blocks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.distributed.arrays import digest_of, exact, load_arrays
from halfstep.distributed.storage import Folder
from halfstep.kernels.cpu.high_degree import PIECES, SHARE, SHORTEST


class Hub(NamedTuple):
    """A row with so many entries that they stay where the other side's rows live, in pieces.

    Attributes
    ----------
    row
        Its number.
    numbers, values
        Of each piece: the rows of the other side, rising, and the stored values.
    """

    row: int
    numbers: list[npt.NDArray[np.int64]]
    values: list[npt.NDArray[Any]]


def hub_name(side: str, row: int) -> str:
    """Return the name of a hub's file."""
    return f"hubs/{side}-{row}.npz"


def save_hub(folder: Folder, side: str, hub: Hub) -> str:
    """Write a hub's pieces to its file; return their digest."""
    parts: Any = {f"numbers{k:02d}": part for k, part in enumerate(hub.numbers)}
    parts |= {f"values{k:02d}": exact(part) for k, part in enumerate(hub.values)}
    with folder.writing(hub_name(side, hub.row)) as file:
        np.savez(file, **parts)
    return digest_of(*hub.numbers, *hub.values)


def load_hub(folder: Folder, side: str, row: int) -> Hub:
    """Read a hub's pieces."""
    names = [f"{what}{k:02d}" for what in ("numbers", "values") for k in range(PIECES)]
    found = list(load_arrays(folder, hub_name(side, row), names).values())
    return Hub(row, found[:PIECES], found[PIECES:])


def load_pieces(
    folder: Folder, side: str, row: int, pieces: list[int]
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[Any]]]:
    """Read some pieces of a hub: the numbers and the values of each. The others are not read."""
    with folder.reading(hub_name(side, row)) as file, np.load(file) as archive:
        return [(archive[f"numbers{k:02d}"], archive[f"values{k:02d}"]) for k in pieces]


def hub_limit(entries: int, shards: int) -> int:
    """Return the number of entries beyond which a row is kept as a hub."""
    return max(SHORTEST, entries // SHARE, entries // (2 * shards))


def hub_of(matrix: Any, row: int) -> Hub:
    """Return a row of a canonical CSR matrix as a hub."""
    span = slice(matrix.indptr[row], matrix.indptr[row + 1])
    numbers, values = matrix.indices[span].astype(np.int64), matrix.data[span]
    inner = np.linspace(0, len(numbers), PIECES + 1).astype(np.int64)[1:-1]
    return Hub(row, np.split(numbers, inner), np.split(values, inner))


def middles_of(hub: Hub) -> list[int]:
    """Return the number in the middle of each piece of a hub."""
    return [int(part[len(part) // 2]) if len(part) else 0 for part in hub.numbers]


def without(matrix: Any, rows: list[int]) -> Any:
    """Return a canonical CSR matrix whose `rows` are empty."""
    if not rows:
        return matrix
    lengths = np.diff(matrix.indptr)
    kept = np.ones(len(lengths), np.bool_)
    kept[rows] = False
    entries = np.repeat(kept, lengths)
    pointers = np.concatenate([[0], np.cumsum(np.where(kept, lengths, 0))])
    parts = matrix.data[entries], matrix.indices[entries], pointers
    return sparse.csr_matrix(parts, shape=matrix.shape)
