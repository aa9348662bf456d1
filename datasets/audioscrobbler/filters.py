"""Filters that leave out plays on request: pseudo-artists, outliers, and rare artists or users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from halfstep.errors import InputError

# Ids of entries that are not artists: "[unknown]", "Various Artists" and a third one like them.
PSEUDO_ARTISTS = (1034635, 1338076, 393)


@dataclass(frozen=True)
class Filters:
    """What to leave out: nothing by default. Filters apply in the order of the fields.

    Parameters
    ----------
    pseudo_artists : bool
        Leave out the three entries that are no artists, such as "Various Artists".
    outlier_percentile : float, optional
        Leave out users with more plays than this percentile of all users' plays (above 0, below 100);
        None keeps all. Some of these users are programs or shops.
    min_audience, min_artists : int
        Leave out artists with fewer listeners and users with fewer artists. Leaving out artists lowers
        the users' numbers, and the reverse, so both repeat until all that remain have enough.

    Raises
    ------
    InputError
        A number is out of range.

    See Also
    --------
    halfstep.datasets.read_audioscrobbler : Applies them.

    Examples
    --------
    >>> from halfstep.datasets import Filters
    >>> Filters(min_audience=2).any, Filters().any
    (True, False)
    """

    pseudo_artists: bool = False
    outlier_percentile: float | None = None
    min_audience: int = 1
    min_artists: int = 1

    def __post_init__(self) -> None:
        for name in ("min_audience", "min_artists"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        share = self.outlier_percentile
        if share is not None and not 0 < share < 100:
            raise InputError(f"outlier_percentile must be between 0 and 100, got {share:g}")

    @property
    def any(self) -> bool:
        """Whether anything is left out."""
        return self != Filters()


@dataclass(frozen=True)
class LeftOut:
    """How much one filter left out."""

    filter: str
    users: int
    artists: int
    rows: int
    plays: int


def apply(
    filters: Filters, matrix: csr_matrix, artist_ids: NDArray[np.int64]
) -> tuple[csr_matrix, NDArray[np.bool_], NDArray[np.bool_], list[LeftOut]]:
    """Apply the filters in order.

    Returns
    -------
    filtered : csr_matrix
        The remaining plays, without empty rows and columns.
    users, artists : ndarray
        Masks over the rows and columns of `matrix`: True where they remain.
    left_out : list of LeftOut
        One entry per filter.

    Raises
    ------
    InputError
        Nothing is left.
    """
    left = _Left(matrix)
    if filters.pseudo_artists:
        left.keep("pseudo-artists", items=~np.isin(artist_ids, PSEUDO_ARTISTS))
    if filters.outlier_percentile is not None:
        plays = left.plays_per_user()
        limit = np.percentile(plays[plays > 0], filters.outlier_percentile)
        left.keep(f"users above {limit:,.0f} plays", users=plays <= limit)
    while filters.min_audience > 1 or filters.min_artists > 1:
        before = left.rows
        if filters.min_audience > 1:
            enough = left.audience() >= filters.min_audience
            left.keep(f"fewer than {filters.min_audience} listeners", items=enough)
        if filters.min_artists > 1:
            enough = left.activity() >= filters.min_artists
            left.keep(f"fewer than {filters.min_artists} artists", users=enough)
        if left.rows == before:
            break
    if left.rows == 0:
        raise InputError("the filters must leave some plays, got none: " + left.story())
    return left.result()


class _Left:
    """A matrix with a mask of the entries that remain; `result` cuts the matrix once, at the end."""

    def __init__(self, matrix: csr_matrix) -> None:
        self._matrix = matrix
        self._row = np.repeat(np.arange(matrix.shape[0], dtype=np.int32), np.diff(matrix.indptr))
        self._kept = np.ones(matrix.nnz, np.bool_)
        self.account: dict[str, LeftOut] = {}

    @property
    def rows(self) -> int:
        return int(self._kept.sum())

    def plays_per_user(self) -> NDArray[np.float64]:
        weights = np.where(self._kept, self._matrix.data, 0)
        return np.bincount(self._row, weights, minlength=self._matrix.shape[0]).astype(np.float64)

    def activity(self) -> NDArray[np.int64]:
        return np.bincount(self._row[self._kept], minlength=self._matrix.shape[0])

    def audience(self) -> NDArray[np.int64]:
        return np.bincount(self._matrix.indices[self._kept], minlength=self._matrix.shape[1])

    def keep(
        self,
        name: str,
        users: NDArray[np.bool_] | None = None,
        items: NDArray[np.bool_] | None = None,
    ) -> None:
        """Keep the entries whose user and item are in the masks; count the others under `name`."""
        before = self._present()
        kept = self._kept
        if users is not None:
            kept = kept & users[self._row]
        if items is not None:
            kept = kept & items[self._matrix.indices]
        self._kept = kept
        lost = [int(a - b) for a, b in zip(before, self._present(), strict=True)]
        earlier = self.account.get(name)
        if earlier is not None:
            counts = (earlier.users, earlier.artists, earlier.rows, earlier.plays)
            lost = [a + b for a, b in zip(lost, counts, strict=True)]
        self.account[name] = LeftOut(name, *lost)

    def story(self) -> str:
        return "; ".join(f"{one.filter}: {one.rows:,} rows" for one in self.account.values())

    def result(
        self,
    ) -> tuple[csr_matrix, NDArray[np.bool_], NDArray[np.bool_], list[LeftOut]]:
        users, items = self.activity() > 0, self.audience() > 0
        numbers = np.cumsum(items, dtype=np.int32) - 1
        indptr = np.concatenate([[0], np.cumsum(self.activity()[users])])
        shape = (int(users.sum()), int(items.sum()))
        matrix = csr_matrix(shape, dtype=self._matrix.dtype)
        matrix.data = self._matrix.data[self._kept]
        matrix.indices = numbers[self._matrix.indices[self._kept]].astype(
            self._matrix.indices.dtype, copy=False
        )
        matrix.indptr = indptr.astype(self._matrix.indptr.dtype, copy=False)
        matrix.has_canonical_format = True
        return matrix, users, items, list(self.account.values())

    def _present(self) -> tuple[int, int, int, int]:
        plays = self._matrix.data[self._kept].sum(dtype=np.float64)
        users, artists = self.activity() > 0, self.audience() > 0
        return int(users.sum()), int(artists.sum()), self.rows, int(plays)
