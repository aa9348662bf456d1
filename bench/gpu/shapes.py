"""Data in the shapes of public data sets, generated in seconds: degrees and popularity, no tastes."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.kernels.cpu.threads import cores

_LOYAL = 0.7
Block: TypeAlias = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.int64]]
_TOGETHER = 1 << 21
_OFFSET, _POWER = 30.0, 10  # the popularity of rank i is proportional to (i + 30) ^ -(1 - 1/10)


@dataclass(frozen=True)
class Shape:
    """Numbers of users and items, and about how many entries.

    With `tastes`, users and items belong to so many groups, and users mostly have items of their group.
    With `tail`, values are raw play counts: users differ in how much they play, and the largest counts
    follow a power law with this exponent, up to 500,000.
    """

    name: str
    users: int
    items: int
    entries: int
    tastes: int = 0
    tail: float = 0.0

    @property
    def convention(self) -> dict[str, Any]:
        """The weighting's arguments: logarithms of mild counts, raw counts as they are."""
        if self.tail:
            return {"confidence": "linear", "regularization": 0.01}
        return {"confidence": "log", "regularization": 20.0}


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("tiny", 60, 90, 900),
        Shape("tiny-raw", 60, 90, 900, tail=1.2),
        Shape("small", 20_000, 10_000, 1_000_000),
        Shape("tastes", 20_000, 10_000, 1_000_000, tastes=20),
        Shape("tastes-raw", 20_000, 10_000, 1_000_000, tastes=20, tail=1.2),
        Shape("tiny-tastes", 120, 90, 3000, tastes=5),
        Shape("tiny-tastes-raw", 120, 90, 3000, tastes=5, tail=1.2),
        Shape("five-million", 50_000, 20_000, 5_000_000),
        Shape("lastfm-360k", 358_868, 160_168, 17_500_000),
        Shape("lastfm-360k-raw", 358_868, 160_168, 17_500_000, tail=1.2),
        Shape("movielens-20m", 138_493, 26_744, 20_000_000),
        Shape("music-full", 148_111, 1_568_126, 24_100_000),
        Shape("hundred-million", 1_000_000, 500_000, 100_000_000),
        Shape("streamed-quick", 200_000, 50_000, 20_000_000),
        Shape("streamed", 300_000, 100_000, 60_000_000),
        Shape("billion", 2_000_000, 1_000_000, 1_000_000_000),
    )
}


def generate(shape: Shape, seed: int = 0) -> sparse.csr_matrix:
    """Return a canonical float32 matrix of this shape; its values are counts from 1.

    The degrees of users are log-normal, the popularity of items follows the law of Zipf and Mandelbrot.
    An item that a user draws twice counts once, so that there are somewhat fewer entries than asked for.
    """
    rng = np.random.default_rng(seed)
    degrees = wanted_degrees(shape, rng)
    ends = np.cumsum(popularity(shape))
    indptr, indices = np.zeros(shape.users + 1, np.int64), []
    at = np.concatenate([[0], np.cumsum(degrees)])
    first = 0
    while first < shape.users:  # a block of users at a time: to sort all at once takes longer
        last = max(first + 1, int(np.searchsorted(at, at[first] + (1 << 21), side="right")) - 1)
        row = np.repeat(np.arange(first, last), degrees[first:last])
        item = np.minimum(np.searchsorted(ends, rng.random(len(row))), shape.items - 1)
        if shape.tastes:  # most items go to the neighbour of equal popularity in the user's group
            near = item - item % shape.tastes + row % shape.tastes
            item = np.where((rng.random(len(row)) < _LOYAL) & (near < shape.items), near, item)
        key = np.unique(row * shape.items + item)
        indptr[first + 1 : last + 1] = np.bincount(
            key // shape.items - first, minlength=last - first
        )
        indices.append((key % shape.items).astype(np.int32))
        first = last
    columns = rng.permutation(shape.items).astype(np.int32)  # numbers do not follow popularity
    np.cumsum(indptr, out=indptr)
    found = columns[np.concatenate(indices)]
    values = (
        _plays(rng, np.diff(indptr), shape.tail)
        if shape.tail
        else np.ceil(rng.lognormal(0.5, 1.2, len(found)))
    ).astype(np.float32)
    matrix = sparse.csr_matrix((values, found, indptr), shape=(shape.users, shape.items))
    matrix.sort_indices()
    matrix.has_canonical_format = True
    return matrix


def wanted_degrees(shape: Shape, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return how many items each user draws, (users,): log-normal."""
    activity = np.exp(rng.standard_normal(shape.users))
    activity *= 1.15 * shape.entries / activity.sum()
    return np.clip(np.rint(activity), 1, shape.items // 2).astype(np.int64)


def popularity(shape: Shape) -> npt.NDArray[np.float64]:
    """Return the probability of each item, (items,), the most popular first: Zipf and Mandelbrot."""
    weight = (np.arange(shape.items) + 30.0) ** -0.9
    return np.asarray(weight / weight.sum())


def _plays(
    rng: np.random.Generator, lengths: npt.NDArray[np.int64], tail: float
) -> npt.NDArray[np.float64]:
    """Return counts from 1 with normal logarithms, which from a point on are exponential."""
    logarithm = 1.8 * rng.standard_normal(lengths.sum())
    start = tail * 1.8**2  # where the normal density falls as fast as exp(-tail x)
    above = np.flatnonzero(logarithm > start)
    logarithm[above] = start + rng.exponential(1 / tail, len(above))
    logarithm += np.repeat(0.5 + 1.2 * rng.standard_normal(len(lengths)), lengths)
    counts: npt.NDArray[np.float64] = np.clip(np.rint(np.exp(logarithm)), 1, 500_000)
    return counts


def generate_many(shape: Shape, seed: int = 0, seconds: float = 60.0) -> sparse.csr_matrix:
    """Return a canonical float32 matrix of this shape, generated on all cores without sorting.

    A user's n items are the quantiles (j + U_j) / n of the popularity, with U_j uniform. They come out
    in ascending order; popular items have the lowest numbers, and equal neighbours count once. Values
    are counts from 1. Each block of users has its own random numbers, so that the matrix does not
    depend on the number of cores.

    Raises
    ------
    TimeoutError
        Generating takes more than `seconds`.
    """
    began = time.perf_counter()
    activity = np.exp(np.random.default_rng(seed).standard_normal(shape.users))
    activity *= shape.entries / activity.sum()
    degrees = np.clip(np.rint(activity), 1, shape.items // 2).astype(np.int64)
    at = np.concatenate([[0], np.cumsum(degrees)])
    # Blocks of whole users, of about _TOGETHER entries each.
    cuts = np.unique(np.searchsorted(at, np.arange(0, at[-1] + _TOGETHER, _TOGETHER)))
    cuts = np.unique(np.clip(cuts, 0, shape.users))

    def block(number: int) -> Block:
        if time.perf_counter() - began > seconds:
            raise TimeoutError(f"generating {shape.name} took more than {seconds:.0f} s")
        rng = np.random.default_rng([seed, number])
        first, last = cuts[number], cuts[number + 1]
        return _draw(rng, degrees[first:last], shape.items)

    with ThreadPoolExecutor(cores(0)) as pool:
        blocks = list(pool.map(block, range(len(cuts) - 1)))
    lengths = np.concatenate([length for *_, length in blocks])
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    columns, values = np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.float32)
    for number, (column, value, _) in enumerate(blocks):
        part = slice(indptr[cuts[number]], indptr[cuts[number + 1]])
        columns[part], values[part] = column, value
        blocks[number] = (column[:0], value[:0], lengths[:0])  # frees the block's copy
    matrix = sparse.csr_matrix((values, columns, indptr), shape=(shape.users, shape.items))
    matrix.has_sorted_indices = matrix.has_canonical_format = True
    return matrix


def _draw(rng: np.random.Generator, degrees: npt.NDArray[np.int64], items: int) -> Block:
    """Return the columns and values of a block of users, and how many entries each user has."""
    starts = np.cumsum(degrees) - degrees
    total = int(degrees.sum())
    place = np.arange(total, dtype=np.float32)
    place -= np.repeat(starts.astype(np.float32), degrees)
    place += rng.random(total, np.float32)
    place *= np.repeat(1 / degrees.astype(np.float32), degrees)
    low, high = _OFFSET ** (1 / _POWER), (items + _OFFSET) ** (1 / _POWER)
    place *= np.float32(high - low)
    place += np.float32(low)
    square = place * place
    rank = square * square
    rank *= rank
    rank *= square  # to the tenth
    rank -= np.float32(_OFFSET)
    column = np.clip(rank, 0, items - 1).astype(np.int32)
    kept = np.empty(total, np.bool_)
    kept[1:] = column[1:] != column[:-1]
    kept[starts] = True
    lengths = np.add.reduceat(kept, starts, dtype=np.int64)
    column = column[kept]
    value = rng.integers(1, 9, len(column), dtype=np.uint8).astype(np.float32)
    return column, value, lengths
