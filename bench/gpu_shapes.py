"""Data in the shapes of public data sets, generated in seconds: degrees and popularity, no taste."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

_LOYAL = 0.7


@dataclass(frozen=True)
class Shape:
    """Users, items, and about how many entries; with `tastes` in so many groups, else none."""

    name: str
    users: int
    items: int
    entries: int
    tastes: int = 0


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("tiny", 60, 90, 900),
        Shape("small", 20_000, 10_000, 1_000_000),
        Shape("lastfm-360k", 358_868, 160_168, 17_500_000),
        Shape("movielens-20m", 138_493, 26_744, 20_000_000),
        Shape("music-full", 148_111, 1_568_126, 24_100_000),
        Shape("hundred-million", 1_000_000, 500_000, 100_000_000),
        Shape("streamed-quick", 200_000, 50_000, 20_000_000),
        Shape("streamed", 300_000, 100_000, 60_000_000),
        Shape("billion", 2_000_000, 1_000_000, 1_000_000_000),
    )
}


def generate(shape: Shape, seed: int = 0) -> sparse.csr_matrix:
    """Return a canonical matrix of this shape with counts from 1 as values, float32.

    Users have a log-normal number of items, drawn with a Zipf-Mandelbrot popularity; what a user drew
    twice counts once, so that there are somewhat fewer entries than asked for.
    """
    rng = np.random.default_rng(seed)
    activity = np.exp(rng.standard_normal(shape.users))
    activity *= 1.15 * shape.entries / activity.sum()
    degrees = np.clip(np.rint(activity), 1, shape.items // 2).astype(np.int64)
    weight = (np.arange(shape.items) + 30.0) ** -0.9
    ends = np.cumsum(weight) / weight.sum()
    indptr, indices = np.zeros(shape.users + 1, np.int64), []
    at = np.concatenate([[0], np.cumsum(degrees)])
    first = 0
    while first < shape.users:  # a block of users at a time: sorting all at once takes longer
        last = max(first + 1, int(np.searchsorted(at, at[first] + (1 << 21), side="right")) - 1)
        row = np.repeat(np.arange(first, last), degrees[first:last])
        item = np.minimum(np.searchsorted(ends, rng.random(len(row))), shape.items - 1)
        if shape.tastes:  # most of what a user draws is of the user's group, as popular as it was
            near = item - item % shape.tastes + row % shape.tastes
            item = np.where((rng.random(len(row)) < _LOYAL) & (near < shape.items), near, item)
        key = np.unique(row * shape.items + item)
        indptr[first + 1 : last + 1] = np.bincount(
            key // shape.items - first, minlength=last - first
        )
        indices.append((key % shape.items).astype(np.int32))
        first = last
    columns = rng.permutation(shape.items).astype(np.int32)  # popularity is not in the numbers
    np.cumsum(indptr, out=indptr)
    found = columns[np.concatenate(indices)]
    values = np.ceil(rng.lognormal(0.5, 1.2, len(found))).astype(np.float32)
    matrix = sparse.csr_matrix((values, found, indptr), shape=(shape.users, shape.items))
    matrix.sort_indices()
    matrix.has_canonical_format = True
    return matrix
