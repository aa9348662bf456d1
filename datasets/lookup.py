"""Find the user or item that somebody typed by id or by name, and suggest similar ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.matching import place, texts
from halfstep.errors import InputError

IN_DATA = "in the data"
SUGGESTIONS = 4
_SEARCHED = 200_000  # only so many names, the most popular ones, are compared for suggestions
_RANKED = 60


def find_user(data: Dataset, user: str) -> int:
    """Return the row of an original user id, or raise InputError with the most similar ids."""
    try:
        return data.user_index(user)
    except InputError:
        raise unknown_user(data.user_ids, user) from None


def find_item(data: Dataset, text: str) -> int:
    """Return the column of an item by its name or its id (`id:979` is always read as an id).

    A name is first compared as written, then without regard to case. If several items have the name,
    the one that most users have is returned.

    Raises
    ------
    InputError
        No item has this name or id; the message lists the most similar names.
    """
    audience = np.bincount(data.interactions.indices, minlength=data.items)
    return item_place(data.item_ids, data.item_names, audience, text)


def item_place(
    ids: NDArray[Any],
    names: NDArray[Any] | None,
    audience: NDArray[np.integer[Any]],
    text: str,
    where: str = IN_DATA,
) -> int:
    """Return an item's column as `find_item` does, from arrays (items,); `where` ends the error."""
    if text.startswith("id:"):
        wanted = text.removeprefix("id:")
        found = place(ids, wanted)
        if found is None:
            raise _unknown("item with the id", wanted, ids, nearest(wanted, texts(ids)), where)
        return found
    if names is not None and text.strip():
        folded = text.strip().casefold()
        listed = names.tolist()
        same = [at for at, name in enumerate(listed) if name.casefold() == folded]
        exact = [at for at in same if listed[at] == text.strip()]
        if same:
            return max(exact or same, key=lambda at: int(audience[at]))
    found = place(ids, text)
    if found is None:
        raise unknown_item(ids, names, audience, text, where)
    return found


def unknown_user(ids: NDArray[Any], user: object, where: str = IN_DATA) -> InputError:
    """Return the error that names the ids most similar to one that there is not."""
    return _unknown("user", user, ids, nearest(str(user), texts(ids)), where)


def unknown_item(
    ids: NDArray[Any],
    names: NDArray[Any] | None,
    audience: NDArray[np.integer[Any]],
    item: object,
    where: str = IN_DATA,
) -> InputError:
    """Return the error that lists the names (or ids) most similar to one that there is not."""
    popular = np.argsort(-audience, kind="stable")[:_SEARCHED]
    known = ids if names is None else names
    close = nearest(str(item), texts(known[popular]))
    return _unknown("item", item, ids, close, where)


def listener(data: Dataset, items: list[int]) -> csr_matrix:
    """Return the row (1, items) of a new user who has these items, each with its mean value.

    Parameters
    ----------
    data : Dataset
    items : list of int
        Columns of the items; one that is there twice counts once.

    Returns
    -------
    csr_matrix, shape (1, items)
        With the dtype of the data; an item that nobody has counts 1.

    See Also
    --------
    halfstep.Recommender.recommend_new : Recommends to somebody new by names and ids.

    Examples
    --------
    >>> from halfstep import Dataset
    >>> from halfstep.datasets import listener
    >>> from scipy.sparse import csr_matrix
    >>> data = Dataset.from_csr(csr_matrix([[4, 0, 1], [2, 0, 0]]))
    >>> listener(data, [0, 2]).toarray()
    array([[3., 0., 1.]], dtype=float32)
    """
    columns = np.unique(items)
    chosen = data.interactions[:, columns]
    entries = np.maximum(np.diff(chosen.tocsc().indptr), 1)
    usual = np.asarray(chosen.sum(axis=0, dtype=np.float64)).ravel() / entries
    usual[usual == 0] = 1  # an item that nobody has
    row = (np.zeros(len(columns), np.int64), columns)
    return csr_matrix((usual.astype(data.interactions.dtype), row), shape=(1, data.items))


def nearest(text: str, candidates: Iterable[str]) -> list[str]:
    """Return up to four candidates similar to `text`, the most similar first.

    The share of common letter triples selects 60 candidates; difflib's ratio then orders them.
    """
    wanted = _triples(text) if text.strip() else set()
    scored = []
    for candidate in candidates:
        shared = wanted & _triples(candidate)
        if shared:
            scored.append(
                (len(shared) / (len(candidate) + 3 + len(wanted) - len(shared)), candidate)
            )
    scored.sort(key=lambda pair: -pair[0])
    likely = list(dict.fromkeys(candidate for _, candidate in scored[:_RANKED]))
    folded = text.casefold()
    ratios = {one: difflib.SequenceMatcher(None, folded, one.casefold()).ratio() for one in likely}
    likely.sort(key=lambda one: -ratios[one])
    return [one for one in likely if ratios[one] >= 0.4][:SUGGESTIONS]


def _triples(text: str) -> set[str]:
    padded = f"  {text.casefold()} "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}


def _unknown(
    what: str, typed: object, ids: NDArray[Any], close: list[str], where: str
) -> InputError:
    nearby = f"; the nearest are {', '.join(repr(one) for one in close)}" if close else ""
    return InputError(f"there is no {what} {typed!r} among the {len(ids):,} {where}{nearby}")
