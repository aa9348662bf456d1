"""What a data set looks like: sizes, percentiles, the long tail, who is at the top, the time span."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.description.distributions import Distributions
from halfstep.datasets.description.words import item_word
from halfstep.errors import InputError


def describe(data: Dataset, top: int = 10) -> dict[str, Any]:
    """Describe a data set; the result can be written as JSON, whose keys speak of artists and plays.

    Parameters
    ----------
    data : Dataset
        Its values are finite numbers from 0: counts, ratings, hours.
    top : int
        Number of rows of each table, at least 1.

    Returns
    -------
    dict
        "prepared" and, if the data has it, "raw" (before aliases and filters): the summaries of
        `halfstep.datasets.description.distributions`; the tables "artists by plays", "artists by
        audience", "users by plays" and "users by curiosity" (number of different artists); "preparation"
        and "malformed", or None; "item" ("artist", "track", "song" or "item"), by which texts speak of
        the data; "times" of `time_span`; and "reading", the account of the table that was read, or None.

    Raises
    ------
    InputError
        A value is below 0 or not finite, or `top` is not positive.

    See Also
    --------
    halfstep.datasets.draw_plots : Draws it.

    Examples
    --------
    >>> from halfstep import load_data
    >>> from halfstep.datasets import describe
    >>> described = describe(load_data("music-small"), top=3)
    >>> described["prepared"]["users"], len(described["artists by plays"])
    (2000, 3)
    """
    if top < 1:
        raise InputError(f"top must be at least 1, got {top}")
    matrix = data.interactions
    wrong = np.flatnonzero(~((matrix.data >= 0) & np.isfinite(matrix.data)))
    if len(wrong):
        raise InputError(
            f"{data.name}: values must be numbers from 0 to be described, got "
            f"{matrix.data[wrong[0]]:g}, {len(wrong):,} of {matrix.nnz:,} entries are below 0 or not "
            "finite; --negative drop leaves out what is below"
        )
    sums = Distributions.of_matrix(matrix)
    raw, reading = data.provenance.get("raw"), data.provenance.get("reading")
    return {
        "name": data.name,
        "licence": data.provenance.get("licence"),
        "raw": raw if isinstance(raw, dict) else None,
        "prepared": sums.summary(),
        "preparation": data.provenance.get("preparation"),
        "malformed": data.provenance.get("malformed"),
        "item": item_word(data.provenance),
        "times": time_span(data),
        "reading": reading if isinstance(reading, dict) else None,
        "artists by plays": _artists(data, sums, sums.plays_per_artist, top),
        "artists by audience": _artists(data, sums, sums.audience_per_artist, top),
        "users by plays": _users(data, sums, sums.plays_per_user, top),
        "users by curiosity": _users(data, sums, sums.artists_per_user, top),
    }


def time_span(data: Dataset) -> dict[str, Any] | None:
    """Return the "first" and "last" time of an entry (ISO 8601, UTC), and the share "without" a time.

    None for data without times; "first" and "last" are None where no entry has one.
    """
    if data.times is None:
        return None
    known = data.times[np.isfinite(data.times)]
    ends = (float(known.min()), float(known.max())) if len(known) else (None, None)
    first, last = (None if end is None else _moment(end) for end in ends)
    without = 1 - len(known) / max(len(data.times), 1)
    return {"first": first, "last": last, "without": without}


def _moment(seconds: float) -> str:
    """Return seconds since 1970 as a date and time, or as they are if no calendar has them."""
    try:
        moment = datetime(1970, 1, 1) + timedelta(seconds=round(seconds))
    except OverflowError:
        return f"{seconds:g} s"
    return moment.isoformat(sep=" ")


def name_of(data: Dataset, item: int) -> str:
    """Return an item's name, or its id where it has none."""
    name = "" if data.item_names is None else str(data.item_names[item])
    return name or str(data.item_ids[item])


def _artists(
    data: Dataset, sums: Distributions, by: NDArray[Any], top: int
) -> list[dict[str, Any]]:
    return [
        {
            "id": str(data.item_ids[item]),
            "name": name_of(data, item),
            "plays": sums.plays_per_artist[item].item(),
            "audience": int(sums.audience_per_artist[item]),
            "plays per listener": round(
                float(sums.plays_per_artist[item] / max(sums.audience_per_artist[item], 1)), 1
            ),
        }
        for item in _largest(by, top)
    ]


def _users(data: Dataset, sums: Distributions, by: NDArray[Any], top: int) -> list[dict[str, Any]]:
    rows = []
    for user in _largest(by, top):
        row = data.interactions[user]
        favourite = int(row.indices[np.argmax(row.data)]) if row.nnz else -1
        rows.append(
            {
                "id": str(data.user_ids[user]),
                "plays": sums.plays_per_user[user].item(),
                "artists": int(sums.artists_per_user[user]),
                "favourite": "" if favourite < 0 else name_of(data, favourite),
                "its plays": _plain(row.data.max().item()) if row.nnz else 0,
            }
        )
    return rows


def _plain(value: float) -> int | float:
    """Return a whole number as an int."""
    return int(value) if value.is_integer() else value


def _largest(values: NDArray[Any], top: int) -> list[int]:
    return [int(place) for place in np.argsort(-values, kind="stable")[:top]]
