"""Rank all items for the users of some shards: the lists, and the bits, of a model in one process.

Where the item factors fit into a worker's memory they are read once. Where they do not, the items come
shard by shard, from the folder, and the best of each shard are merged into the lists so far. The
compiled loop adds up each score in one order, whatever it ranks beside it, so both ways give the same.
Little data is ranked by one matrix product, as in one process, and so all shards are ranked together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.distributed.facts import Facts
from halfstep.distributed.model import kept
from halfstep.distributed.model.factor_files import read_factors
from halfstep.distributed.model.histories import Histories
from halfstep.distributed.model.record import Record
from halfstep.distributed.storage import Folder
from halfstep.solvers.model.factors import check_scores
from halfstep.solvers.model.held import Held
from halfstep.solvers.model.top_k import are_few, top_k
from halfstep.types import Floats


class Lists(NamedTuple):
    """The best items of some users, (users, N), and their scores; at the ends -1 and -inf."""

    items: npt.NDArray[np.int64]
    scores: Floats

    def of(self, first: int, stop: int) -> Lists:
        """Return the lists of users `first` to `stop`."""
        return Lists(self.items[first:stop], self.scores[first:stop])


def few_in_all(facts: Facts) -> bool:
    """Return whether one process ranks all users by one matrix product."""
    return are_few(facts.rows("user"), facts.rows("item"))


def groups(facts: Facts) -> list[tuple[int, ...]]:
    """Return which shards of users are ranked together."""
    shards = range(facts.shards)
    return [tuple(shards)] if few_in_all(facts) else [(shard,) for shard in shards]


def rank_items(
    folder: Folder,
    record: Record,
    vectors: Floats,
    histories: Histories | None,
    N: int,
    *,
    among: npt.NDArray[np.int64] | None = None,
    few: bool | None = None,
    num_threads: int = 0,
) -> Lists:
    """Return the N best items for each user.

    Parameters
    ----------
    vectors
        (users, f), the users' factors.
    histories
        What to leave out of each user's list, or None.
    among
        Rising numbers of the items to choose among; None for all.
    few
        Whether to rank by a matrix product, as one process does; None to decide by all of the data.
    num_threads
        0 for all cores.

    Raises
    ------
    InputError
        A score overflows.
    """
    best: Lists | None = None
    whole = few_in_all(record.facts) if few is None else few
    for first, stop, items in _parts(folder, record):
        chosen = None
        if among is not None:
            low, high = np.searchsorted(among, [first, stop])
            chosen = among[low:high] - first
            if not len(chosen):
                continue
        check_scores(vectors, items, "user")
        found, scores = top_k(
            vectors,
            items.array(),
            N,
            excluded=None if histories is None else histories.within(first, stop),
            among=chosen,
            num_threads=num_threads,
            few=whole and first == 0 and stop == record.facts.rows("item"),
        )
        numbers = np.where(found < 0, -1, found.astype(np.int64) + first)
        best = Lists(numbers, scores) if best is None else merged(best, Lists(numbers, scores), N)
    if best is None:
        return Lists(
            np.empty((len(vectors), 0), np.int64), np.empty((len(vectors), 0), vectors.dtype)
        )
    return best


def merged(lists: Lists, others: Lists, N: int) -> Lists:
    """Return the N best of both, where all of the second's items have higher numbers."""
    items = np.concatenate([lists.items, others.items], axis=1)
    scores = np.concatenate([lists.scores, others.scores], axis=1)
    # Stable, so that of equal scores the lower number, which comes first, stays first.
    order = np.argsort(-scores, axis=1, kind="stable")[:, :N]
    return Lists(np.take_along_axis(items, order, 1), np.take_along_axis(scores, order, 1))


def _parts(folder: Folder, record: Record) -> Iterator[tuple[int, int, Held]]:
    """Yield ranges of items with their factors: all in one if they fit, else shard by shard."""
    starts = record.facts.starts["item"]
    items = kept.items_of(folder, record)
    if items is not None:
        yield 0, starts[-1], items
        return
    for file, first, stop in zip(record.files["item"], starts, starts[1:], strict=False):
        if first < stop:
            yield first, stop, Held(read_factors(folder, file))
