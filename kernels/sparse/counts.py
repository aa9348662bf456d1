"""The counts of a counting sort in pieces, each of which a thread counts and scatters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from halfstep.types import Integers

# A count is as large as an entry of the result, which has eight bytes or more.
_ENTRIES_PER_COUNT = 2


def pieces_for(entries: int, keys: int, threads: int) -> int:
    """Return into how many pieces to cut so many entries with so many keys: at most one a thread."""
    return min(threads, max(2, entries // (_ENTRIES_PER_COUNT * max(1, keys))))


def starts_and_places(counts: npt.NDArray[np.int64], dtype: npt.DTypeLike) -> Integers:
    """Return where each key's entries start, (keys + 1,) in `dtype`, from counts (pieces, keys).

    `counts` becomes where each piece's entries of a key start.
    """
    starts = np.zeros(counts.shape[1] + 1, dtype)
    np.cumsum(counts.sum(axis=0), out=starts[1:])
    place = starts[:-1].astype(np.int64)
    for piece in counts:
        place += piece
        np.subtract(place, piece, out=piece)
    return starts
