"""Rows sorted by their number of entries, once per fit, and cut into bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from halfstep.kernels.gpu_backend import Array, Backend
from halfstep.solvers.gpu_side import Side

_LONGEST = np.iinfo(np.uint16).max


class Bins(NamedTuple):
    """The rows of each bin on the device, and the longest ones' numbers on the host.

    Attributes
    ----------
    rows
        Per bin, int32, longest row first: bin k holds rows of more entries than limit k - 1, and at
        most limit k.
    hubs
        (·,) int64: rows of more entries than the last limit, longest first.
    """

    rows: tuple[Array, ...]
    hubs: np.ndarray


def bins_of(backend: Backend, side: Side, limits: Sequence[int]) -> Bins:
    """Return the side's rows in bins with these limits, ascending."""
    kept = side.kept.get(tuple(limits))
    if kept is None:
        # Sixteen bits sort in linear time; the order among longer rows than that matters little.
        clipped = np.minimum(side.lengths, _LONGEST).astype(np.uint16)
        order = np.argsort(_LONGEST - clipped, kind="stable")
        shortest_first = side.lengths[order][::-1] if len(order) else side.lengths
        # `order` is descending in the clipped lengths alone: limits are below the clip.
        cuts = [int(np.searchsorted(shortest_first, limit, side="right")) for limit in limits]
        ends = [0, *cuts]
        device = backend.to_device(order.astype(np.int32))
        rows = len(order)
        parts = tuple(device[rows - ends[k + 1] : rows - ends[k]] for k in range(len(limits)))
        kept = side.kept[tuple(limits)] = Bins(parts, order[: rows - cuts[-1]].astype(np.int64))
    return kept
