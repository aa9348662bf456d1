"""Where a side is cut into shards of about equal work: for devices of one machine, and for machines."""

from __future__ import annotations

import numpy as np

from halfstep.types import Integers

# The work of a row beside its entries, in entries: its vectors are read, rotated and written.
ROW_WORK = 8


def cuts(lengths: Integers, parts: int, align: int = 1) -> list[int]:
    """Return the first row of each part of a side, of about equal work, and the number of rows.

    Parameters
    ----------
    lengths
        (rows,) stored entries of each row.
    parts
        The number of parts, at least 1; there may be more than rows, and parts without any.
    align
        The parts begin at multiples of it.
    """
    rows = len(lengths)
    work = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]) + ROW_WORK * np.arange(
        rows + 1
    )
    inner = np.searchsorted(work, work[-1] * np.arange(1, parts) / parts)
    if align > 1:
        inner = np.minimum((inner + align // 2) // align * align, rows)
    return [0, *inner.tolist(), rows]
