"""A shard of one side on its worker: its rows' weights, their factors, and how it takes a step back."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.distributed.blocks import Block, group_cuts
from halfstep.distributed.facts import OTHER, Facts
from halfstep.solvers.fit import weighing
from halfstep.solvers.fit.weights import row_regularization
from halfstep.solvers.gramian import blocks_of
from halfstep.solvers.problem import Weights
from halfstep.solvers.shared import SideFacts, side_facts
from halfstep.types import Floats, Integers


class Part:
    """Rows of a shard that are solved together, and which rows of the fixed side these need.

    Attributes
    ----------
    begin, end
        The shard's rows that they are.
    weights
        Their weights. The indices count the rows that the worker gathers for them
        (`halfstep.distributed.fitting.gathering`).
    needed
        The rows of the fixed side that they need: for each of its shards, (·,) int64, rising, counted
        from the shard's first row.
    """

    def __init__(
        self, begin: int, end: int, weights: Weights, needed: Integers, starts: list[int]
    ) -> None:
        self.begin, self.end, self.weights = begin, end, weights
        cuts = np.searchsorted(needed, starts)
        spans = zip(starts, cuts, cuts[1:], strict=False)
        self.needed: list[Integers] = [needed[low:high] - start for start, low, high in spans]
        self._places: Integers = np.arange(len(needed), dtype=np.int64)

    def count_in(self, places: Integers, room: int) -> None:
        """Let the indices count the gathered rows, `room` of them; `places` (·,) has the needed ones."""
        indices = self.weights.indices
        if len(places) != len(self._places) or (places != self._places).any():
            # Both rise, so an old place leads back to the needed row that an entry names.
            indices = places[np.searchsorted(self._places, indices)].astype(indices.dtype)
            self._places = places
        self.weights = replace(self.weights, indices=indices, columns=max(1, room))


class ShardSide:
    """The rows of one side that a shard has.

    Parameters
    ----------
    groups
        How many parts there are, which are solved one after the other.

    Attributes
    ----------
    facts, constant
        The facts about these rows, and their part of `Weights.constant`.
    hubs
        The entries of its rows whose entries are in pieces elsewhere.
    lam
        (rows,) their regularisation.
    X, step
        (rows, f) their factors, and the half-step that made them: -2 or -1 at the start.
    before
        Their factors before that half-step, to go back to; None if there is no way back.
    """

    def __init__(
        self, block: Block, side: str, shard: int, facts: Facts, solver: Any, groups: int = 1
    ) -> None:
        starts = facts.starts[OTHER[side]]
        first = facts.starts[side][shard]
        hubs = {row - first: entries for row, entries in facts.hubs_of(side, shard).items()}
        # Where the block has its hubs' entries, it solves them as other rows.
        self.hubs = {u: entries for u, entries in hubs.items() if not block.lengths[u]}
        weights = weights_of(block, facts.rows(OTHER[side]), solver, self.hubs)
        self.facts: SideFacts = facts_with(side_facts(weights), weights, self.hubs)
        self.constant, self.lam = weights.constant, weights.lam
        self.rows = weights.rows
        self.parts = parts_of(weights, block.needed, starts, groups)
        self.X: Floats = np.empty((0, 0))
        self.before: Floats | None = None
        self.step = -3
        self.first = facts.starts[side][shard]
        before = zip(facts.starts[side][:shard], facts.starts[side][1:], strict=False)
        self.first_block = sum(blocks_of(stop - start) for start, stop in before)

    def row(self, u: int) -> Weights:
        """Return the weights of one row without entries."""
        whole = self.parts[0].weights
        return replace(
            whole,
            indptr=np.zeros(2, np.int64),
            indices=whole.indices[:0],
            values=whole.values[:0],
            lam=self.lam[u : u + 1],
        )

    def advance(self, X: Floats, step: int) -> None:
        """Take the factors X (rows, f) of half-step `step`."""
        self.before, self.X, self.step = self.X, X, step

    def put(self, X: Floats, step: int) -> None:
        """Take factors from elsewhere: there is no way back from them."""
        self.before, self.X, self.step = None, X, step

    def back_to(self, step: int) -> bool:
        """Go back to the factors of `step`, if a half-step took one further; return whether they are."""
        if self.step > step and self.before is not None:
            self.put(self.before, self.step - 2)
        return self.step == step


def parts_of(weights: Weights, needed: Integers, starts: list[int], groups: int) -> list[Part]:
    """Return a shard's rows in `groups` parts of about as many entries; `needed` is as in a block."""
    if groups == 1:
        return [Part(0, weights.rows, weights, needed, starts)]
    pointers = weights.indptr
    cuts = group_cuts(pointers, groups)
    parts = []
    for begin, end in itertools.pairwise(cuts):
        end = max(begin, end)
        piece = slice(int(pointers[begin]), int(pointers[end]))
        ranks, indices = np.unique(weights.indices[piece], return_inverse=True)
        own = replace(
            weights,
            indptr=pointers[begin : end + 1] - pointers[begin],
            indices=indices.reshape(-1).astype(weights.indices.dtype),
            values=weights.values[piece],
            lam=weights.lam[begin:end],
        )
        parts.append(Part(begin, end, own, needed[ranks], starts))
    return parts


def facts_with(facts: SideFacts, weights: Weights, hubs: dict[int, int]) -> SideFacts:
    """Return the facts about a side's rows with those of hubs, without their entries' weights."""
    if not hubs:
        return facts
    lam = weights.lam[list(hubs)]
    of_hubs = SideFacts(
        len(hubs), sum(hubs.values()), float(lam.min()), float(lam.max()), False, -np.inf
    )
    return SideFacts.together([facts, of_hubs])


def weights_of_entries(values: Any, degree: int, columns: int, solver: Any) -> Weights:
    """Return the weights of some entries of one row, which has `degree` in all, as a row of their own.

    The indices count the entries.
    """
    n = len(values)
    lengths, places = np.array([n], np.int64), np.arange(n, dtype=np.int32)
    block = Block(lengths, places, values, places.astype(np.int64))
    weights = weights_of(block, columns, solver)
    return replace(weights, lam=regularized(np.array([degree]), columns, weights.a0, solver))


def regularized(degrees: Integers, columns: int, a0: float, solver: Any) -> npt.NDArray[np.float64]:
    """Return lambda (rows,) of rows with so many entries."""
    terms = solver.regularization, solver.regularization_exponent
    return row_regularization(degrees, a0, columns, *terms)


def weights_of(
    block: Block, columns: int, solver: Any, hubs: dict[int, int] | None = None
) -> Weights:
    """Return a block's weights by a solver's convention.

    `columns` are the rows of the other side; `hubs` the entries of rows whose entries are elsewhere.
    """
    pointers = np.concatenate([[0], np.cumsum(block.lengths)])
    shape = (len(block.lengths), max(1, len(block.needed)))
    matrix: Any = sparse.csr_matrix(
        (block.values, block.indices, pointers), shape=shape, copy=False
    )
    matrix.has_canonical_format = True
    weights = weighing.weigh_by(solver, matrix)
    degrees = block.lengths.copy()
    for row, entries in (hubs or {}).items():
        degrees[row] = entries
    return replace(weights, lam=regularized(degrees, columns, weights.a0, solver))


def bitmap(rows: Integers, count: int) -> npt.NDArray[np.uint8]:
    """Return a set of rows, numbers below `count`, as bits: (count / 8,)."""
    marks = np.zeros(count, np.bool_)
    marks[rows] = True
    return np.packbits(marks)


def rows_in(bits: npt.NDArray[np.uint8], count: int) -> Integers:
    """Return the rows whose bits are set, rising, (·,) int64."""
    return np.flatnonzero(np.unpackbits(bits, count=count))
