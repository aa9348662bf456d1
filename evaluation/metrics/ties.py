"""Metrics in expectation over the order of equal scores, so that the numbering of items does not matter.

A list is cut into blocks of equal scores; any order within a block is equally likely. Of the m items of
a block h are held out, and the block begins after b hits in s ranks. Then at the j-th rank of the block,
j = 0, 1, ..., with H the number of hits up to the rank itself,

    E[hit] = h / m,    E[hit H] = (b + 1) h / m + j h (h - 1) / (m (m - 1)),

and the first t ranks of the block hold no hit with chance C(m - h, t) / C(m, t). The last block may be
longer than the list, so m and h also count items beyond it. Most users have no equal scores among their
best; for all others the counts come from a second look at the catalogue.

McSherry and Najork, "Computing information retrieval performance measures efficiently in the presence of
tied scores", ECIR 2008.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.evaluation.metrics.inputs import Array, Indices

# Returns, for some places of users (n,) and a score of each (n,), how many of the user's unseen items,
# and how many of the held-out ones, have exactly this score: two arrays (n,).
Count = Callable[[Indices, Array], tuple[Indices, Indices]]


class TieBlocks(NamedTuple):
    """For some users, the block of equal scores that each rank of the list belongs to.

    `rows` (tied,) are places in the list of evaluated users. The others have the shape (tied, k): the
    first rank of the block from 0, its number of items m and of held-out items h, and the held-out items
    of all blocks before it.
    """

    rows: Indices
    start: Indices
    size: Indices
    held: Indices
    earlier: Indices


class Hits(NamedTuple):
    """What is expected of lists of length k, where h_r is 1 if the item at rank r is held out, else 0.

    `chance` (users, k): E[h_r]; `running` (users, k): E[h_r (h_1 + ... + h_r)]; `none` (users,): the
    chance that no item of the list is held out.
    """

    chance: npt.NDArray[Any]
    running: npt.NDArray[Any]
    none: npt.NDArray[np.float64]


def tie_blocks(
    scores: Array, listed: npt.NDArray[np.bool_], hits: npt.NDArray[np.bool_], count: Count
) -> TieBlocks:
    """Return the blocks of the users whose k best items, or the next one, have equal scores.

    Parameters
    ----------
    scores, listed
        (users, k + 1) the best scores, in descending order, and which places hold an item.
    hits
        (users, k) whether the item of a place is held out.
    count
        Counts the items with the k-th score, for users of whom another item has it beyond the list.
    """
    k = hits.shape[1]
    equal = (scores[:, 1:] == scores[:, :-1]) & listed[:, 1:]
    rows = np.flatnonzero(equal.any(axis=1))
    equal = equal[rows]
    ranks = np.arange(k)
    first = np.ones((len(rows), k), bool)
    first[:, 1:] = ~equal[:, : k - 1]
    start = np.maximum.accumulate(np.where(first, ranks, 0), axis=1)
    # The first rank of the next block: the least one to the right that begins a block.
    following = np.full((len(rows), k), k)
    following[:, :-1] = np.where(first[:, 1:], ranks[1:], k)
    stop = np.minimum.accumulate(following[:, ::-1], axis=1)[:, ::-1]
    before = np.zeros((len(rows), k + 1), np.int64)
    np.cumsum(hits[rows], axis=1, out=before[:, 1:])
    earlier = np.take_along_axis(before, start, axis=1)
    size, held = stop - start, np.take_along_axis(before, stop, axis=1) - earlier
    crossing = np.flatnonzero(equal[:, -1])
    if crossing.size:
        items, held_out = count(rows[crossing], scores[rows[crossing], k - 1])
        last = start[crossing] == start[crossing, -1:]
        size[crossing] = np.where(last, items[:, None], size[crossing])
        held[crossing] = np.where(last, held_out[:, None], held[crossing])
    return TieBlocks(rows, start, size, held, earlier)


def expected_hits(hits: npt.NDArray[np.bool_], blocks: TieBlocks) -> Hits:
    """Return what to expect of the lists whose hits are `hits` (users, k), in one order of equal items.

    `blocks` may belong to longer lists.
    """
    k = hits.shape[1]
    none = 1.0 - np.asarray(hits.any(axis=1), np.float64)
    found = Hits(hits, np.cumsum(hits, axis=1) * hits, none)
    if blocks.rows.size == 0:
        return found
    start, m, h, earlier = (np.asarray(part[:, :k], np.float64) for part in blocks[1:])
    rows = blocks.rows
    chance, running = hits.astype(np.float64), found.running.astype(np.float64)
    share = h / m
    chance[rows] = share
    # With one item in a block, h - 1 is 0 or j is 0, whatever the denominator.
    pairs = share * (h - 1) / np.maximum(m - 1, 1)
    running[rows] = share * (earlier + 1) + (np.arange(k) - start) * pairs
    none[rows] = np.where(earlier[:, -1] > 0, 0.0, _none(m[:, -1], h[:, -1], k - start[:, -1]))
    return Hits(chance, running, none)


def _none(m: Array, h: Array, t: Array) -> npt.NDArray[np.float64]:
    """Return C(m - h, t) / C(m, t) for whole numbers (users,) held in floats."""
    # The ratio is the same with h and t exchanged, so the product takes the fewer factors of both.
    few, many = np.minimum(h, t), np.maximum(h, t)
    product = np.ones(len(m))
    for i in range(int(few.max(initial=0))):
        product *= np.where(i < few, np.maximum(m - many - i, 0) / np.maximum(m - i, 1), 1.0)
    return product
