"""Interactions with attributes of the items: two published data sets and one that is generated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.types import Floats


@dataclass(frozen=True)
class Attributed:
    """A data set whose items have attributes.

    Attributes
    ----------
    interactions
        (users, items), float32.
    attributes
        (items, attributes), float32; a row without attributes is empty.
    counts
        Whether the stored values are counts, which a logarithm may scale; else all are 1.
    truth
        Where the data are generated, the factors they were drawn from: of the users, of the items, and
        of the items as the attributes alone have them.
    """

    name: str
    interactions: sparse.csr_matrix
    attributes: sparse.csr_matrix
    counts: bool
    truth: tuple[Floats, Floats, Floats] | None = None


def lastfm(folder: Path) -> Attributed:
    """Return the play counts of HetRec's Last.fm, with the tags of the artists.

    A tag counts once for an artist, however many users gave it, and only tags of at least two artists
    are kept.
    """
    plays = np.loadtxt(folder / "user_artists.dat", skiprows=1, dtype=np.int64)
    _, users = np.unique(plays[:, 0], return_inverse=True)
    artists, items = np.unique(plays[:, 1], return_inverse=True)
    matrix = sparse.csr_matrix((plays[:, 2].astype(np.float32), (users, items)))
    given = np.loadtxt(
        folder / "user_taggedartists.dat", skiprows=1, dtype=np.int64, usecols=(1, 2)
    )
    given = np.unique(given[np.isin(given[:, 0], artists)], axis=0)
    _, columns, often = np.unique(given[:, 1], return_inverse=True, return_counts=True)
    given = given[often[columns] >= 2]
    tags, columns = np.unique(given[:, 1], return_inverse=True)
    rows = np.searchsorted(artists, given[:, 0])
    tagged = sparse.csr_matrix(
        (np.ones(len(rows), np.float32), (rows, columns)), (matrix.shape[1], len(tags))
    )
    return Attributed("hetrec2011-lastfm-2k", matrix, unit_rows(tagged), counts=True)


def movielens(folder: Path) -> Attributed:
    """Return MovieLens 1M, every rating as a 1, with the genres of the films.

    The training part of the split that NCF was published with; `folder` has it in ncf-ml-1m and the
    films in ml-1m-attributes.
    """
    ratings = np.loadtxt(
        folder / "ncf-ml-1m" / "ml-1m.train.rating", dtype=np.int64, usecols=(0, 1)
    )
    numbers = np.loadtxt(folder / "ncf-ml-1m" / "ml-1m.item_ids.txt", dtype=np.int64)
    genres: dict[int, list[str]] = {}
    text = (folder / "ml-1m-attributes" / "movies.dat").read_text(encoding="latin-1")
    for line in text.splitlines():
        film, _, listed = line.split("::")
        genres[int(film)] = listed.split("|")
    names = sorted({name for several in genres.values() for name in several})
    place = {name: column for column, name in enumerate(names)}
    pairs = [
        (row, place[name]) for row, film in enumerate(numbers) for name in genres.get(int(film), ())
    ]
    rows, columns = np.array(pairs).T
    one = np.ones(len(ratings), np.float32)
    matrix = sparse.csr_matrix((one, ratings.T), (ratings[:, 0].max() + 1, len(numbers)))
    named = sparse.csr_matrix(
        (np.ones(len(rows), np.float32), (rows, columns)), (len(numbers), len(names))
    )
    return Attributed("ncf-ml-1m", matrix, unit_rows(named), counts=False)


def generated(
    users: int = 2000,
    items: int = 3000,
    tags: int = 200,
    factors: int = 16,
    each: int = 40,
    share: float = 0.7,
    seed: int = 0,
) -> Attributed:
    """Return data drawn from factors of which attributes explain a share.

    An item has 6 tags, and its factors are a known linear function of them and noise, with `share` of
    the variance from the tags. A user takes `each` items by a softmax of the products of factors
    plus the items' popularity.
    """
    rng = np.random.default_rng(seed)
    chosen = np.argsort(rng.random((items, tags)), axis=1)[:, :6]
    given = sparse.csr_matrix(
        (np.ones(chosen.size, np.float32), chosen.ravel(), np.arange(items + 1) * 6), (items, tags)
    )
    attributes = unit_rows(given)
    explained = attributes @ rng.standard_normal((tags, factors))
    known = np.sqrt(share) * explained
    of_items = known + np.sqrt(1 - share) * rng.standard_normal((items, factors))
    of_users = rng.standard_normal((users, factors)) * 1.5 / np.sqrt(factors)
    popularity = 0.7 * rng.standard_normal(items)
    drawn = of_users @ of_items.T * 1.5 + popularity + rng.gumbel(size=(users, items))
    taken = np.argpartition(-drawn, each, axis=1)[:, :each]
    matrix = sparse.csr_matrix(
        (np.ones(taken.size, np.float32), taken.ravel(), np.arange(users + 1) * each),
        (users, items),
    )
    matrix.sort_indices()
    return Attributed("generated", matrix, attributes, False, (of_users, of_items, known))


def unit_rows(given: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return rows of ones as rows of length 1: each divided by the root of its number of attributes."""
    given = given.tocsr()
    given.sort_indices()
    lengths = np.sqrt(np.maximum(np.diff(given.indptr), 1))
    scaled: Any = sparse.diags((1 / lengths).astype(np.float32)) @ given
    return scaled.tocsr()


LOADERS: dict[str, Callable[[Path], Attributed]] = {
    "lastfm": lambda folder: lastfm(folder / "hetrec2011-lastfm-2k"),
    "movielens": movielens,
    "generated": lambda folder: generated(),
}
