"""The four distributions that describe a data set, summarised by exact percentiles and curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

PERCENTILES = (5, 10, 25, 50, 75, 90, 95, 99, 99.9)
_CURVE_POINTS = 200
DISTRIBUTIONS = {
    "plays per user": "plays of a user, all artists together",
    "artists per user": "different artists of a user",
    "plays per artist": "plays of an artist, all users together",
    "audience per artist": "different users of an artist",
}


@dataclass(frozen=True)
class Distributions:
    """Plays and degrees of each user and artist: sums over the rows and columns of the matrix of plays.

    Attributes
    ----------
    plays_per_user, artists_per_user
        Shape (users,); plays are int64 where all of them are whole numbers, else float64.
    plays_per_artist, audience_per_artist
        Shape (artists,), likewise; the audience is the number of users.
    """

    plays_per_user: NDArray[Any]
    artists_per_user: NDArray[np.int64]
    plays_per_artist: NDArray[Any]
    audience_per_artist: NDArray[np.int64]

    @classmethod
    def of_triples(
        cls,
        users: NDArray[np.int32],
        artists: NDArray[np.int32],
        plays: NDArray[Any],
        shape: tuple[int, int],
    ) -> Distributions:
        """Sum triples (row, column, plays); every triple counts as another artist of its user."""
        return cls(
            _sums(users, plays, shape[0]),
            np.bincount(users, minlength=shape[0]),
            _sums(artists, plays, shape[1]),
            np.bincount(artists, minlength=shape[1]),
        )

    @classmethod
    def of_matrix(cls, matrix: csr_matrix) -> Distributions:
        """Sum the rows and columns of a canonical matrix (users, artists)."""
        users = np.repeat(np.arange(matrix.shape[0], dtype=np.int32), np.diff(matrix.indptr))
        return cls.of_triples(users, matrix.indices, matrix.data, matrix.shape)

    def summary(self) -> dict[str, Any]:
        """Return sizes, means, exact percentiles, points of each curve, and the long tail's shares.

        A percentile is a value that occurs: percentile p is the smallest value that at least p percent
        of the values do not exceed.
        """
        users, artists = len(self.plays_per_user), len(self.plays_per_artist)
        rows, plays = int(self.artists_per_user.sum()), self.plays_per_user.sum().item()
        return {
            "users": users,
            "artists": artists,
            "rows": rows,
            "plays": plays,
            "density": rows / (users * artists),
            "distributions": {
                name: _distribution(getattr(self, name.replace(" ", "_"))) for name in DISTRIBUTIONS
            },
            "long tail": long_tail(self.plays_per_artist, self.audience_per_artist),
            "concentration": concentration(self.plays_per_artist),
        }


def long_tail(plays: NDArray[Any], audience: NDArray[Any]) -> dict[str, float]:
    """Return how unevenly plays are spread over the artists, as shares from 0 to 1 and one number."""
    ordered = np.sort(plays)[::-1]
    total = ordered.sum() or 1
    top = max(1, round(len(ordered) / 100))
    half = int(np.searchsorted(np.cumsum(ordered), total / 2)) + 1
    rare = audience <= 10
    return {
        "share of plays of the top 1 % of artists": float(ordered[:top].sum() / total),
        "share of plays of the top 100 artists": float(ordered[:100].sum() / total),
        "share of plays of the lower 80 % of artists": float(
            ordered[len(ordered) - int(0.8 * len(ordered)) :].sum() / total
        ),
        "artists that make up half of all plays": half,
        "share of artists with one listener": float((audience == 1).mean()),
        "share of artists with at most ten listeners": float(rare.mean()),
        "their share of plays": float(plays[rare].sum() / total),
    }


def concentration(plays: NDArray[Any]) -> dict[str, list[float]]:
    """Return the share of all plays of the n most played artists, for about 80 values of n."""
    summed = np.cumsum(np.sort(plays)[::-1])
    artists = np.unique(np.geomspace(1, len(plays), 80).round().astype(np.int64))
    return {
        "artists": artists.tolist(),
        "share of plays": (summed[artists - 1] / (summed[-1] or 1)).tolist(),
    }


def _distribution(values: NDArray[Any]) -> dict[str, Any]:
    ordered = np.sort(values)
    last = len(ordered) - 1
    # Evenly spaced shares, and finer ones near 1, where the last thousandth spans whole decades.
    shares = np.unique(
        np.concatenate([np.linspace(0, 1, _CURVE_POINTS), 1 - np.logspace(-2, -6, 60)])
    )
    return {
        "mean": float(ordered.mean()),
        "smallest": ordered[0].item(),
        "largest": ordered[-1].item(),
        "percentiles": {f"{p:g}": ordered[_rank(p / 100, last)].item() for p in PERCENTILES},
        "curve": {
            "share": shares.tolist(),
            "value": [ordered[_rank(share, last)].item() for share in shares],
        },
    }


def _rank(share: float, last: int) -> int:
    return min(max(int(np.ceil(share * (last + 1))) - 1, 0), last)


def _sums(numbers: NDArray[np.int32], plays: NDArray[Any], length: int) -> NDArray[Any]:
    # A weighted bincount adds in float64, which is exact up to 2^53, more than any number of plays.
    sums = np.bincount(numbers, plays, minlength=length)
    whole = plays.dtype.kind in "biu" or bool((plays == np.rint(plays)).all())
    return sums.astype(np.int64) if whole else sums
