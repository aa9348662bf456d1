"""Hubs: rows with so many entries that these are kept in pieces, apart from the blocks."""

from __future__ import annotations

from collections.abc import Iterable
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


def piece_name(side: str, row: int, piece: int) -> str:
    """Return the name of the file of a hub's piece."""
    return f"hubs/{side}-{row}-{piece:02d}.npz"


def save_piece(folder: Folder, side: str, row: int, piece: int, numbers: Any, values: Any) -> str:
    """Write a hub's piece to its file; return its digest."""
    small = exact(values)
    with folder.writing(piece_name(side, row, piece)) as file:
        np.savez(file, numbers=numbers, values=small)
    return digest_of(numbers, small)


def save_hub(folder: Folder, side: str, hub: Hub) -> list[str]:
    """Write a hub's pieces to their files; return their digests."""
    parts = zip(hub.numbers, hub.values, strict=True)
    return [save_piece(folder, side, hub.row, k, *part) for k, part in enumerate(parts)]


def load_pieces(
    folder: Folder, side: str, row: int, pieces: Iterable[int]
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[Any]]]:
    """Read some pieces of a hub: the numbers and the values of each."""
    names = [piece_name(side, row, piece) for piece in pieces]
    found = [load_arrays(folder, name, ("numbers", "values")) for name in names]
    return [(arrays["numbers"], arrays["values"]) for arrays in found]


def load_hub(folder: Folder, side: str, row: int) -> Hub:
    """Read a hub's pieces."""
    numbers, values = zip(*load_pieces(folder, side, row, range(PIECES)), strict=True)
    return Hub(row, list(numbers), list(values))


def hub_limit(entries: int, shards: int) -> int:
    """Return the number of entries beyond which a row is kept as a hub."""
    return max(SHORTEST, entries // SHARE, entries // (2 * shards))


def piece_cuts(entries: int) -> npt.NDArray[np.int64]:
    """Return where the pieces of a hub with so many entries begin, and their number."""
    return np.linspace(0, entries, PIECES + 1).astype(np.int64)


def hub_of(matrix: Any, row: int) -> Hub:
    """Return a row of a canonical CSR matrix as a hub."""
    span = slice(matrix.indptr[row], matrix.indptr[row + 1])
    numbers, values = matrix.indices[span].astype(np.int64), matrix.data[span]
    inner = piece_cuts(len(numbers))[1:-1]
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
