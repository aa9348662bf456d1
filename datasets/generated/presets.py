"""Generated play counts with the shape of the Audioscrobbler dump; they need no files.

How an entry is drawn. Artists belong to genres. A listener has a number of artists (log-normal), a
share of mainstream listening, and favourite genres with falling weights. For each artist of a listener
the genre is drawn first (mainstream: by the genres' sizes; otherwise from the favourites), then the
artist within the genre by a Zipf-Mandelbrot law, weight (rank + q)^-s; an artist whom the listener
already has is drawn again. Plays are log-normal; each listener has a scale, and plays grow with the
listener's taste for the genre.

Measured with seed 0:

| | music-medium | music-full | the dump of 2005 |
| --- | --- | --- | --- |
| entries | 4.98 M | 24.0 M | 24.1 M |
| listeners x artists | 49,452 x 20,684 | 148,111 x 1,568,126 | 148,111 x 1,568,126 |
| artists per listener: mean, median, 99 % | 101, 50, 794 | 162, 80, 1,284 | mean 163 |
| listeners per artist: mean, median, 99 % | 241, 168, 3,201 | 15, 2, 168 | mean 15 |
| the top artist's audience | 23 % | 22 % | about a quarter |
| plays per entry: mean, median, 99.9 % | 15.0, 3, 788 | 15.9, 3, 839 | mean 15.4 |
| entries with at most 10 plays, with one | 77 %, 36 % | 76 %, 35 % | |

What does not match: a fifth of music-full's artists have no listener (in the dump every artist has
one), the largest number of plays is tens of thousands (in the dump it is 439,771), no artist is
misspelt, and taste consists of 48 flat genres, so that quality stops growing at about that many
factors. Held-out NDCG@10 with one million entries, 80/20: popularity 0.070, ALS with 8, 32 and 64
factors 0.140, 0.262 and 0.244.

plays-small and plays-medium have the same pairs of listeners and artists, but plays with a heavy tail:
the noise is log-normal up to the point where its density falls as fast as a power law, and beyond that
point it is Pareto with exponent 1.2. Listeners also differ more in how much they play, and popular
artists are played more. Every listener plays as the dump's heaviest listeners do, so the mean is ten
times the dump's. Plays above 500,000 (93 entries of plays-medium) are set to 500,000.

| | plays-medium | the dump's 50 heaviest listeners | HetRec Last.fm | music-medium |
| --- | --- | --- | --- | --- |
| plays per entry: mean | 154 | 132 | 745 | 15.0 |
| median, 90 %, 99 % | 8, 158, 1,935 | 7, 151, 1,707 | 260, 1,387, 7,228 | 3, 29, 194 |
| 99.9 %, largest | 14,591, 500,000 | 9,568, 439,771 | 38,673, 352,698 | 788, 39,984 |
| entries with at most 10 plays, with one | 55 %, 24 % | 56 %, 18 % | 4 %, 1 % | 77 %, 36 % |
| tail exponent (Hill), top 0.5 %, 1 % | 1.15, 1.14 | 1.31, 1.23 | 1.42, 1.34 | 1.71, 1.60 |
| share of all plays in the top 1 % of entries | 60 % | 57 % | 29 % | 31 % |
| standard deviation of log plays | 1.99 | 1.92 | 1.53 | 1.40 |
| of listeners' means; within a listener (median) | 1.09, 1.76 | 1.19, 1.92 | 1.34, 0.72 | 0.69, 1.26 |
| plays of a listener: median, 99 % | 3,310, 220,506 | 82,881, 612,679 | 21,573, 248,939 | 526, 15,147 |
| correlation of log plays, less the listener's mean, with log audience | 0.28 | 0.26 | 0.18 | -0.05 |

On raw counts (lambda 0.01, f = 64) the objective after 15 iterations of two fixed conjugate gradient
steps, over-relaxed as by default, is 1.09 times the objective of exact half-steps and 1.12 times that
of over-relaxed exact half-steps (plays-small: 1.14 and 1.22; HetRec: 1.19 and 1.26). Held-out NDCG@10,
80/20, raw counts, exact half-steps: plays-small with lambda 0.01 and 100: popularity 0.079, f = 32
0.121 and 0.158, f = 64 0.151 and 0.192; plays-medium with lambda 1 and 100: popularity 0.069, f = 64
0.139 and 0.146.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.generated.artist_names import artist_names
from halfstep.datasets.generated.listeners import (
    LOG_NORMAL,
    draw,
    draw_listeners,
    draw_plays,
    heavy,
    make_catalogue,
)
from halfstep.errors import InputError

ACTIVITY_SIGMA = 1.2
BLOCK_ENTRIES = 1 << 20

TAIL = 1.2

_SIZES: dict[str, dict[str, Any]] = {
    "music-small": {"entries": 100_000},
    "music-medium": {"entries": 5_000_000},
    "music-full": {"entries": 24_100_000, "users": 148_111, "items": 1_568_126},
    "plays-small": {"entries": 100_000, "tail": TAIL},
    "plays-medium": {"entries": 5_000_000, "tail": TAIL},
}


def generate_preset(name: str) -> Dataset:
    """Generate one of `halfstep.datasets.PRESETS` with seed 0."""
    return generate_music(**_SIZES[name], name=name)


def generate_music(
    entries: int,
    *,
    users: int | None = None,
    items: int | None = None,
    tail: float | None = None,
    seed: int = 0,
    name: str | None = None,
) -> Dataset:
    """Generate about `entries` listener-artist pairs; the same arguments give the same data.

    Parameters
    ----------
    entries : int
        Requested number of different pairs, 1,000 to 100,000,000; the result is within 5 % of it.
    users, items : int, optional
        Shape; by default 2000 s^0.82 and 4000 s^0.42 with s = entries / 100,000.
    tail : float, optional
        Exponent of a Pareto tail of the plays, 1 to 3; loudness and taste are then those of the dump's
        heaviest listeners, whose exponent is 1.2. Without it, plays are log-normal.
    seed : int
        Seed of the random generator, at least 0.
    name : str, optional
        "music-ENTRIES-SEED" if not given, or "plays-ENTRIES-SEED" with a tail.

    Returns
    -------
    Dataset
        Every user has an entry; an item of the long tail may have none. Item numbers say nothing about
        popularity. Besides the result, memory holds one block of about a million entries.

    Raises
    ------
    InputError
        An argument is out of range, or there are more entries than an eighth of all pairs.

    See Also
    --------
    halfstep.datasets.generate_dump : The same plays as files.
    halfstep.load_data : Its presets, such as "music-small", are made by this function.

    Examples
    --------
    >>> from halfstep.datasets import generate_music
    >>> plays = generate_music(2_000, seed=1)
    >>> plays.name, abs(plays.entries - 2_000) <= 100
    ('music-2000-1', True)
    """
    _check_range("entries", entries, 1_000, 100_000_000)
    scale = entries / 1e5
    users = round(2000 * scale**0.82) if users is None else users
    items = round(4000 * scale**0.42) if items is None else items
    _check(entries, users, items, seed)
    law = LOG_NORMAL if tail is None else heavy(_checked_tail(tail))
    root = np.random.SeedSequence(seed)
    world_seed, user_seed, block_seeds = root.spawn(3)
    catalogue = make_catalogue(items, entries / users, np.random.default_rng(world_seed))
    rng = np.random.default_rng(user_seed)
    activity = _activity(entries, users, items, rng)
    user_ids = 1_000_000 + np.cumsum(rng.integers(1, 20, size=users))
    item_ids = np.cumsum(rng.integers(1, 14, size=items))

    indptr = np.zeros(users + 1, dtype=np.int64)
    indices = np.empty(int(activity.sum()), dtype=np.int32)
    data = np.empty(len(indices), dtype=np.float32)
    filled = 0
    for first, last in _blocks(activity):
        block_rng = np.random.default_rng(block_seeds.spawn(1)[0])
        listeners = draw_listeners(activity[first:last], catalogue, law, block_rng)
        rows, columns = draw(activity[first:last], listeners, catalogue, block_rng)
        end = filled + len(rows)
        indices[filled:end] = columns
        data[filled:end] = draw_plays(rows, columns, listeners, catalogue, law, block_rng)
        indptr[first + 1 : last + 1] = filled + np.cumsum(np.bincount(rows, minlength=last - first))
        filled = end
    indices.resize(filled, refcheck=False)
    data.resize(filled, refcheck=False)

    matrix = csr_matrix((data, indices, indptr.astype(np.int32)), shape=(users, items), copy=False)
    matrix.has_canonical_format = True
    return Dataset(
        name or f"{'music' if tail is None else 'plays'}-{entries}-{seed}",
        matrix,
        user_ids,
        item_ids,
        item_names=artist_names(catalogue.genre),
        provenance={
            "format": "generated",
            "files": [],
            "rows": filled,
            "malformed": {},
            "licence": "none needed: generated",
            "seed": seed,
            "entries": entries,
            **({} if tail is None else {"tail": float(tail)}),
        },
    )


def _check(entries: int, users: int, items: int, seed: int) -> None:
    _check_range("users", users, 1, entries)
    _check_range("items", items, 16, 2**31 - 1)
    _check_range("seed", seed, 0, 2**63)
    if entries > users * items / 8:
        raise InputError(
            f"entries must be at most an eighth of users x items ({users} x {items}), got {entries}"
        )


def _check_range(argument: str, value: int, low: int, high: int) -> None:
    if not isinstance(value, int | np.integer) or not low <= value <= high:
        raise InputError(f"{argument} must be an integer from {low} to {high}, got {value}")


def _checked_tail(tail: float) -> float:
    if not isinstance(tail, int | float) or not 1 <= tail <= 3:
        raise InputError(f"tail must be a number from 1 to 3, got {tail!r}")
    return float(tail)


def _activity(entries: int, users: int, items: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw each user's number of items: log-normal, at most a quarter of them, sum near `entries`."""
    shape = np.exp(ACTIVITY_SIGMA * rng.standard_normal(users))
    factor = entries / shape.sum()
    for _ in range(30):
        activity = np.clip(np.rint(factor * shape), 1, items // 4)
        factor *= entries / activity.sum()
    return np.asarray(activity, dtype=np.int64)


def _blocks(activity: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    ends = np.cumsum(activity)
    first = 0
    while first < len(activity):
        done = ends[first - 1] if first else 0
        last = int(np.searchsorted(ends, done + BLOCK_ENTRIES))
        last = min(max(last, first + 1), len(activity))
        yield first, last
        first = last
