"""BM25 and TF-IDF over workers: what they take from the whole data, in a file a shard.

`halfstep.solvers.fit.transform` needs n_u, the entries of a user that are not zero, and L_i, the sum of
an item's values: 8 bytes a row. Before the fit each shard counts its own rows; then a worker reads those
of the rows that its blocks and pieces name. They are kept beside the data, so that a shard that moves, a
fit that goes on and the next fit find them.

L and its mean have the bits of one process where values are whole numbers, whose sums are exact. Of
other values L does so up to 4 million entries, and the mean to rounding.
"""

from __future__ import annotations

import itertools
import json
import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.distributed.blocks import Block, load_block
from halfstep.distributed.facts import OTHER, SIDES, Facts
from halfstep.distributed.hubs import load_pieces
from halfstep.distributed.storage import Folder
from halfstep.distributed.tasks import over_shards
from halfstep.errors import InputError, NumericalWarning
from halfstep.kernels.cpu.high_degree import PIECES
from halfstep.solvers.fit.transform import Transform

FOLDER = "terms"
_NAME = f"{FOLDER}/terms.json"


def measure_terms(
    client: Any, folder: Folder, facts: Facts, solver: Any, show_progress: bool = True
) -> None:
    """Write the terms of all shards of the data, if they are not there yet.

    A NumericalWarning says which users get no weight.

    Raises
    ------
    InputError
        The sum of the values is not finite.
    """
    data = folder.child("data")
    known = _known(data)
    if known is None or known["identity"] != facts.identity:
        data.remove(FOLDER)
        shards = range(facts.shards)
        tasks = [(data, facts, side, k) for side in SIDES for k in shards]
        what = f"terms of {solver.transform}"
        found = over_shards(client, write_terms, tasks, what, show_progress=show_progress)
        sides = zip((side for _, _, side, _ in tasks), found, strict=True)
        sums = sum(total for side, (total, _) in sides if side == "item")
        if not math.isfinite(sums):
            raise InputError(
                f"transform {solver.transform!r} needs values whose sum is finite, got {sums}"
            )
        full = sum(count for _, count in found)
        known = {
            "identity": facts.identity, "mean_length": sums / facts.rows("item"), "full": full
        }  # fmt: skip
        with data.writing(_NAME) as stream:
            stream.write(json.dumps(known).encode())
    if known["full"]:
        warnings.warn(
            f"transform {solver.transform!r} gives no weight to users who have all items but at most "
            f"one: {known['full']:,} of {facts.rows('user'):,} users",
            NumericalWarning,
            stacklevel=2,
        )


def write_terms(data: Folder, facts: Facts, side: str, shard: int) -> tuple[float, int]:
    """Write n_u or L_i of a shard's rows; return their sum, and how many users have all items."""
    block = load_block(data, side, shard)
    rows = np.repeat(np.arange(len(block.lengths)), block.lengths)
    terms = _terms(side, rows, block.values, len(block.lengths))
    first = facts.starts[side][shard]
    for row in facts.hubs_of(side, shard):
        for piece in range(PIECES):
            ((_, values),) = load_pieces(data, side, row, [piece])
            # The sum so far comes first, so that all are added in one order.
            before = terms[row - first] if side == "item" else 0
            begun = np.append(before, values) if side == "item" else values
            own = _terms(side, np.zeros(len(begun), np.int64), begun, 1)[0]
            terms[row - first] = own if side == "item" else terms[row - first] + own
    with data.writing(_file(side, shard)) as stream:
        np.save(stream, terms)
    full = 0 if side == "item" else int((terms + 1 >= max(facts.rows("item"), 2)).sum())
    with np.errstate(over="ignore"):  # the sum of all says whether they are too large
        return float(terms.sum()), full


def transform_of(folder: Folder, facts: Facts, solver: Any, whole: bool = False) -> Transform:
    """Return a fit's transform, with n_u and L of all rows if `whole`, otherwise without.

    Raises
    ------
    InputError
        The folder lacks the terms, or has those of other data.
    """
    data = folder.child("data")
    known = _known(data)
    if known is None or known["identity"] != facts.identity:
        raise InputError(f"{data.path(_NAME)} is missing or of other data: fit anew")
    sides: dict[str, Any] = {"user": np.empty(0, np.int64), "item": np.empty(0)}
    if whole:
        shards = range(facts.shards)
        sides = {s: np.concatenate([read_terms(data, s, k) for k in shards]) for s in SIDES}
    return Transform(
        solver.transform, float(solver.bm25_k1), float(solver.bm25_b), facts.rows("item"),
        known["mean_length"], sides["item"], sides["user"],
    )  # fmt: skip


def read_terms(data: Folder, side: str, shard: int) -> npt.NDArray[Any]:
    """Return n_u (rows,) int64 or L_i (rows,) float64 of a shard."""
    name = _file(side, shard)
    try:
        with data.reading(name) as stream:
            terms: npt.NDArray[Any] = np.load(stream)
    except (FileNotFoundError, ValueError, EOFError):
        raise InputError(f"{data.path(name)} is missing or damaged: fit anew") from None
    return terms


def names_of(facts: Facts) -> list[str]:
    """Return the names of all files of terms in the folder of the data."""
    return [*(_file(side, k) for side in SIDES for k in range(facts.shards)), _NAME]


class Terms:
    """Transforms the values of blocks and of hubs' pieces on a worker, by a solver's arguments.

    Without a transform they stay as they are.
    """

    def __init__(self, folder: Folder, facts: Facts, solver: Any) -> None:
        self.data, self.facts, self.solver = folder.child("data"), facts, solver
        self._transform = None if solver.transform is None else transform_of(folder, facts, solver)

    def block(self, side: str, shard: int, block: Block) -> Block:
        """Return a shard's block with its values transformed, in the solver's dtype.

        Raises
        ------
        InputError
            A transformed value overflows it.
        """
        if self._transform is None:
            return block
        pointers = np.concatenate([[0], np.cumsum(block.lengths)])
        of_rows = read_terms(self.data, side, shard)
        values = self._values(side, block.values, block.indices, pointers, of_rows, block.needed)
        return block._replace(values=values)

    def piece(
        self, side: str, row: int, numbers: npt.NDArray[np.int64], values: npt.NDArray[Any]
    ) -> npt.NDArray[Any]:
        """Return the values of a piece of a hub transformed; `numbers` are rows of the other side."""
        if self._transform is None:
            return values
        shard = self.facts.shard_of(side, row)
        of_row = read_terms(self.data, side, shard)[row - self.facts.starts[side][shard]]
        pointers, places = np.array([0, len(values)]), np.arange(len(values))
        return self._values(side, values, places, pointers, np.array([of_row]), numbers)

    def _values(
        self, side: str, values: Any, indices: Any, pointers: Any, of_rows: Any, needed: Any
    ) -> npt.NDArray[Any]:
        assert self._transform is not None
        shape = (len(pointers) - 1, max(1, len(needed)))
        matrix: Any = sparse.csr_matrix((values, indices, pointers), shape=shape, copy=False)
        done = self._transform.apply_by(
            matrix, side, of_rows, self._needed(OTHER[side], needed), self.solver.dtype,
            int(self.solver.num_threads),
        )  # fmt: skip
        return np.asarray(done.data)

    def _needed(self, side: str, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return the terms of some rows of a whole side, which rise; one shard's are read at a time."""
        starts = self.facts.starts[side]
        cuts = np.searchsorted(rows, starts)
        parts = [
            read_terms(self.data, side, k)[rows[low:high] - starts[k]]
            for k, (low, high) in enumerate(itertools.pairwise(cuts))
            if low < high
        ]
        return np.concatenate(parts) if parts else np.empty(0)


def _terms(side: str, rows: Any, values: Any, count: int) -> npt.NDArray[Any]:
    """Return n_u or L_i (count,) of entries with the rows (entries,), added in their order."""
    size = np.abs(np.asarray(values, np.float64))
    if side == "user":
        return np.bincount(rows[size != 0], minlength=count)
    return np.bincount(rows, size, minlength=count)


def _known(data: Folder) -> dict[str, Any] | None:
    """Return what the folder says of its terms, or None without any."""
    try:
        with data.reading(_NAME) as stream:
            known = json.loads(stream.read())
        return known if {"identity", "mean_length", "full"} <= set(known) else None
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _file(side: str, shard: int) -> str:
    return f"{FOLDER}/{side}-{shard:05d}.npy"
