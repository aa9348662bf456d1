"""Rows sorted by their number of entries, once per fit, and cut into bins.

Short rows share a warp, which goes on until the slowest of them has enough steps. How many steps a row
takes grows with its weights, so rows of one length are sorted by the sum of theirs, in classes of half
an octave. What becomes of a row does not depend on its neighbours: no bit of it changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.solvers.gpu_side import Side
from halfstep.solvers.gpu_tally import row_weights

_LONGEST = np.iinfo(np.uint16).max
SHORT = 16
_CLASSES = 256
_HALF_OCTAVE = 22  # a float32 without this many bits: its exponent and one digit
_SMALLEST = np.float32(2.0**-32).view(np.uint32) >> _HALF_OCTAVE


class Bins(NamedTuple):
    """The rows of each bin on the device, and the longest ones' numbers on the host.

    Attributes
    ----------
    rows
        Per bin, int32, longest row first, and of short rows of one length the heaviest: bin k holds
        rows of more entries than limit k - 1, and at most limit k.
    hubs
        (·,) int64: rows of more entries than the last limit, longest first.
    least
        (rows,) int32, on the device: how many steps a row takes at least; None where their number is
        fixed.
    """

    rows: tuple[Array, ...]
    hubs: np.ndarray
    least: Array | None


def bins_of(backend: Backend, side: Side, limits: Sequence[int], *, ruled: bool) -> Bins:
    """Return the side's rows in bins with these limits, ascending.

    Parameters
    ----------
    ruled
        Whether each row takes the steps that it needs; else all take the same number.
    """
    key = (ruled, *limits)
    kept = side.kept.get(key)
    if kept is None:
        weights = row_weights(backend, side) if ruled else None
        # Sixteen bits sort in linear time; the order among longer rows than that matters little.
        order = np.argsort(
            _LONGEST - _rank(side.lengths, weights.sums if weights else None), kind="stable"
        )
        shortest_first = side.lengths[order][::-1] if len(order) else side.lengths
        # `order` is descending in the lengths as far as 16 bits go: limits are below that.
        cuts = [int(np.searchsorted(shortest_first, limit, side="right")) for limit in limits]
        ends = [0, *cuts]
        sent = order.astype(np.int32)  # and with it what else a row has to be told: one copy
        device = backend.to_device(np.concatenate([sent, weights.least]) if weights else sent)
        rows = len(order)
        parts = tuple(device[rows - ends[k + 1] : rows - ends[k]] for k in range(len(limits)))
        kept = side.kept[key] = Bins(
            parts,
            order[: rows - cuts[-1]].astype(np.int64),
            device[rows:] if weights else None,
        )
    return kept


def _rank(
    lengths: npt.NDArray[np.int64], weights: npt.NDArray[np.floating] | None
) -> npt.NDArray[np.uint16]:
    """Return what rows are sorted by: short ones by length and class of weight, others by length."""
    if weights is None:
        return np.minimum(lengths, _LONGEST).astype(np.uint16)
    with np.errstate(over="ignore"):  # an infinite sum is in the last class, as it should be
        sums = np.maximum(weights, 0).astype(np.float32)
    halves = (sums.view(np.uint32) >> _HALF_OCTAVE).astype(np.int64)
    classes = np.clip(halves - int(_SMALLEST), 0, _CLASSES - 1)
    longer = lengths + (_CLASSES - 1) * (SHORT + 1)
    rank = np.where(lengths <= SHORT, lengths * _CLASSES + classes, longer)
    return np.minimum(rank, _LONGEST).astype(np.uint16)
