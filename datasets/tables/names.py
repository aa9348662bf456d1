"""Choose the name of each item among those that a table gives it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.tables.distinct import distinct, plain, strings


def item_names(
    items: NDArray[Any], column: Any, count: int, what: str
) -> tuple[NDArray[Any], list[str]]:
    """Return (object array of str, shape (count,), "" for an item without a name; notes).

    Of several names of one item the most frequent counts, and of equally frequent ones the last. Text
    such as "nan" is a name: only an empty one is none.

    Parameters
    ----------
    items : ndarray
        Integers, shape (rows,): the item's position, or below 0 for a row that does not count.
    column : pyarrow.Array or pyarrow.ChunkedArray
        Shape (rows,), of any type that is not nested.
    count : int
        Number of items.
    what : str
        Names the column in an error.
    """
    places, values = distinct(plain(column, what))
    text, _ = strings(values, what)
    # The same name with other blanks around it is no other name.
    encoded = text.dictionary_encode()
    texts = encoded.dictionary.to_numpy(zero_copy_only=False)
    codes = np.append(encoded.indices.to_numpy(), -1)[places]  # a null's place is -1
    empty = np.append(texts == "", True)
    rows = np.flatnonzero(~empty[codes] & (items >= 0))
    named, codes = items[rows], codes[rows]
    chosen = np.full(count, -1)
    chosen[named] = codes
    several = np.zeros(count, dtype=bool)
    several[named[chosen[named] != codes]] = True
    doubtful = several[named]
    if doubtful.any():
        named, codes = named[doubtful], codes[doubtful]
        keys, backward, counts = np.unique(
            (named * len(texts) + codes)[::-1], return_index=True, return_counts=True
        )
        # The last of an item's names in this order is the most frequent and then the latest.
        best = np.lexsort((-backward, counts, keys // len(texts)))
        chosen[keys[best] // len(texts)] = keys[best] % len(texts)
    names = np.full(count, "", dtype=object)
    names[chosen >= 0] = texts[chosen[chosen >= 0]]
    differ = int(several.sum())
    notes = [f"{differ} items have several names; the most frequent is kept"] if differ else []
    return names, notes
