"""Choose the name of each item among those that a table gives it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.tables.distinct import distinct, plain, strings


def item_names(
    items: NDArray[np.int64], column: Any, count: int, what: str
) -> tuple[NDArray[Any], list[str]]:
    """Return (object array of str, shape (count,), "" for an item without a name; notes).

    Of several names of one item the most frequent counts, and of equally frequent ones the last. Text
    such as "nan" is a name: only an empty one is none.

    Parameters
    ----------
    items : ndarray
        int64, shape (rows,): the item's position, or below 0 for a row that does not count.
    column : pyarrow.Array or pyarrow.ChunkedArray
        Shape (rows,), of any type that is not nested.
    count : int
        Number of items.
    what : str
        Names the column in an error.
    """
    places, values = distinct(plain(column, what))
    text, _ = strings(values, what)
    texts = np.array([*text.to_pylist(), ""], dtype=object)  # a null's place, -1, is the last
    there = (texts != "")[places] & (items >= 0)
    names = np.full(count, "", dtype=object)
    chosen = np.full(count, -1)
    chosen[items[there]] = places[there]
    several = np.zeros(count, dtype=bool)
    several[items[there][chosen[items[there]] != places[there]]] = True
    # The same name with other blanks around it is no other name.
    for item in np.flatnonzero(chosen >= 0):
        names[item] = texts[chosen[item]]
    differ = 0
    rows = np.flatnonzero(there & several[items])
    rows = rows[np.argsort(items[rows], kind="stable")]
    bounds = (
        np.flatnonzero(np.append(True, items[rows][1:] != items[rows][:-1])) if len(rows) else []
    )
    for group in np.split(rows, bounds[1:]) if len(rows) else []:
        given = texts[places[group]].tolist()
        if len(set(given)) > 1:
            differ += 1
            last = {name: row for row, name in enumerate(given)}
            names[items[group[0]]] = max(last, key=lambda name: (given.count(name), last[name]))
    notes = [f"{differ} items have several names; the most frequent is kept"] if differ else []
    return names, notes
