"""The model behind the generated play counts: genres, listeners' tastes, draws and plays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

GENRES = 48
FAVOURITES = 5
ZIPF_EXPONENT = 1.2
TOP_AUDIENCE = 0.5  # as drawn; about half of it remains once duplicates are dropped
FAVOURITE_ROUNDS, MAINSTREAM_ROUNDS, LAST_ROUND = 4, 8, 24


@dataclass(frozen=True)
class PlayLaw:
    """The distribution of an entry's plays: their logarithm is a sum whose noise may have a heavy tail.

    Attributes
    ----------
    loudness, loudness_spread
        Mean and standard deviation of the logarithm of a listener's usual plays.
    fondness
        Added to the logarithm in proportion to the genre's share of the listener's taste.
    popularity
        Exponent by which plays fall with the artist's rank in the genre.
    spread
        Standard deviation of the normal part of the noise.
    tail
        Exponent of a Pareto tail of the noise, or None for normal noise. The tail begins where the
        normal density falls as steeply, at tail x spread standard deviations.
    most
        Largest number of plays of an entry.
    """

    loudness: float
    loudness_spread: float
    fondness: float
    popularity: float
    spread: float
    tail: float | None
    most: int


LOG_NORMAL = PlayLaw(0.7, 0.85, 1.5, 0.0, 1.55, None, 1_000_000)


def heavy(tail: float) -> PlayLaw:
    """Return the law of the dump's heaviest listeners, with a Pareto tail of this exponent."""
    return PlayLaw(0.1, 1.2, 2.4, 0.5, 1.8, tail, 500_000)


@dataclass(frozen=True)
class Catalogue:
    """The artists in the order (genre, rank); `number` maps that order to shuffled item indices."""

    share: NDArray[np.float64]  # each genre's share of all listening, (genres,)
    start: NDArray[np.int64]  # position of each genre's first artist, (genres,)
    size: NDArray[np.int64]  # number of artists of each genre, (genres,)
    shift: NDArray[np.float64]  # q of each genre's Zipf-Mandelbrot law, (genres,)
    number: NDArray[np.int32]  # item index of each artist, (items,)
    genre: NDArray[np.uint8]  # genre of each item index, (items,)


@dataclass(frozen=True)
class Listeners:
    """The tastes of one block of users."""

    mainstream: NDArray[np.float64]  # share of listening outside the favourites, (block,)
    favourites: NDArray[np.uint8]  # genres, (block, FAVOURITES)
    weights: NDArray[np.float64]  # weights of the favourites, rows sum to 1, (block, FAVOURITES)
    loudness: NDArray[np.float64]  # logarithm of the listener's usual plays, (block,)


def make_catalogue(items: int, mean_activity: float, rng: np.random.Generator) -> Catalogue:
    """Give every artist a genre, a rank in it and a column; `mean_activity` is in items per user."""
    genres = int(np.clip(items // 16, 1, GENRES))
    share = rng.permutation((np.arange(genres) + 4.0) ** -0.7)
    share /= share.sum()
    edges = np.concatenate([[0], np.round(np.cumsum(share) * items)]).astype(np.int64)
    edges = np.maximum(edges, np.arange(genres + 1))
    shift = share * _overall_shift(items, TOP_AUDIENCE / mean_activity)
    number = rng.permutation(items).astype(np.int32)
    genre = np.empty(items, dtype=np.uint8)
    genre[number] = np.repeat(np.arange(genres), np.diff(edges))
    return Catalogue(share, edges[:-1], np.diff(edges), shift, number, genre)


def _overall_shift(items: int, top: float) -> float:
    """Find q such that the first of `items` ranks has the probability `top`, by bisection on log q."""
    low, high = np.log(1e-2), np.log(1e9)
    power = 1 - ZIPF_EXPONENT
    for _ in range(60):
        middle = (low + high) / 2
        q = np.exp(middle)
        first = ((q + 1) ** power - q**power) / ((q + items) ** power - q**power)
        low, high = (middle, high) if first > top else (low, middle)
    return float(np.exp(low))


def draw_listeners(
    activity: NDArray[np.int64], catalogue: Catalogue, law: PlayLaw, rng: np.random.Generator
) -> Listeners:
    """Draw the tastes of `len(activity)` users."""
    count = len(activity)
    bounds = np.cumsum(catalogue.share)
    favourites = np.searchsorted(bounds, rng.random((count, FAVOURITES)) * bounds[-1], side="right")
    weights = rng.gamma(0.8, size=(count, FAVOURITES)) * 0.6 ** np.arange(FAVOURITES) + 1e-9
    return Listeners(
        rng.beta(2.0, 5.0, size=count),
        favourites.astype(np.uint8),
        weights / weights.sum(axis=1, keepdims=True),
        rng.normal(law.loudness, law.loudness_spread, size=count),
    )


def draw(
    activity: NDArray[np.int64],
    listeners: Listeners,
    catalogue: Catalogue,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw about `activity` different items for each listener; return (rows, columns), sorted."""
    items = len(catalogue.number)
    lacking = activity
    keys = np.empty(0, dtype=np.int64)
    for attempt in range(LAST_ROUND):
        rows = np.repeat(np.arange(len(activity)), lacking)
        if attempt < MAINSTREAM_ROUNDS:
            only_mainstream = attempt >= FAVOURITE_ROUNDS
            genre = _genres(rows, listeners, catalogue, rng, only_mainstream)
            columns = catalogue.number[_artists(genre, catalogue, rng)]
        else:  # listeners who have all popular items draw from all items evenly
            columns = rng.integers(0, items, size=len(rows), dtype=np.int32)
        keys = np.concatenate([keys, rows * items + columns])
        keys.sort()
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
        lacking = activity - np.bincount(keys // items, minlength=len(activity))
        if lacking.sum() * 200 < len(keys):
            break
    return np.divmod(keys, items)


def _genres(
    rows: NDArray[np.int64],
    listeners: Listeners,
    catalogue: Catalogue,
    rng: np.random.Generator,
    only_mainstream: bool,
) -> NDArray[np.int64]:
    """Draw a genre for each of `rows`: from all genres, or one of the listener's favourites."""
    bounds = np.cumsum(catalogue.share)
    genre: NDArray[np.int64] = np.searchsorted(
        bounds, rng.random(len(rows)) * bounds[-1], side="right"
    )
    if only_mainstream:
        return genre
    mainstream = listeners.mainstream[:, None]
    edges = np.concatenate(
        [mainstream, mainstream + (1 - mainstream) * np.cumsum(listeners.weights, axis=1)], axis=1
    )
    point = rng.random(len(rows))
    choice = np.full(len(rows), -1)
    for place in range(FAVOURITES):
        choice += point >= edges[rows, place]
    fond = np.flatnonzero(choice >= 0)
    genre[fond] = listeners.favourites[rows[fond], choice[fond]]
    return genre


def _artists(
    genre: NDArray[np.int64], catalogue: Catalogue, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw an artist of each genre by inverting the continuous law's distribution function."""
    power = 1 - ZIPF_EXPONENT
    low = catalogue.shift**power
    high = (catalogue.shift + catalogue.size) ** power
    point = low[genre] + rng.random(len(genre)) * (high - low)[genre]
    rank = (point ** (1 / power) - catalogue.shift[genre]).astype(np.int64)
    return np.asarray(catalogue.start[genre] + np.clip(rank, 0, catalogue.size[genre] - 1))


def draw_plays(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    listeners: Listeners,
    catalogue: Catalogue,
    law: PlayLaw,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Draw the play count of each entry (row, column), a whole number from 1."""
    genre = catalogue.genre[columns]
    taste = np.zeros(len(rows))
    for place in range(FAVOURITES):
        same = listeners.favourites[rows, place] == genre
        taste += same * listeners.weights[rows, place]
    noise = law.spread * rng.standard_normal(len(rows))
    if law.tail is not None:
        noise = _with_tail(noise, law.spread, law.tail)
    logarithm = listeners.loudness[rows] + law.fondness * taste + noise
    if law.popularity:
        logarithm -= law.popularity * _log_rank(catalogue)[columns]
    return np.clip(np.rint(np.exp(logarithm)), 1, law.most).astype(np.float32)


def _with_tail(noise: NDArray[np.float64], spread: float, tail: float) -> NDArray[np.float64]:
    """Stretch the upper end of normal noise so that its tail probability falls as exp(-tail x)."""
    start = tail * spread
    above = noise > spread * start
    left = log_ndtr(-noise[above] / spread) - log_ndtr(-start)
    noise[above] = spread * start - left / tail
    return noise


def _log_rank(catalogue: Catalogue) -> NDArray[np.float64]:
    """Return the logarithm of each item's rank in its genre, shifted as in the draw; 0 for the last."""
    place = np.empty(len(catalogue.number), dtype=np.int64)
    place[catalogue.number] = np.arange(len(place))
    start, size, shift = (
        array[catalogue.genre] for array in (catalogue.start, catalogue.size, catalogue.shift)
    )
    return np.asarray(np.log((place - start + 1 + shift) / (size + shift)))
