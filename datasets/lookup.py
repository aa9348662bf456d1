"""Find the user or item that somebody typed by id or by name, and suggest similar ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import numpy as np
from scipy.sparse import csr_matrix

from halfstep.datasets.dataset import Dataset
from halfstep.errors import InputError

SUGGESTIONS = 4
_SEARCHED = 200_000  # only so many names, the most popular ones, are compared for suggestions
_RANKED = 60


def find_user(data: Dataset, user: str) -> int:
    """Return the row of an original user id, or raise InputError with the most similar ids."""
    try:
        return data.user_index(user)
    except InputError:
        close = nearest(user, (str(identifier) for identifier in data.user_ids.tolist()))
        raise InputError(_unknown("user", user, data.users, close)) from None


def find_item(data: Dataset, text: str) -> int:
    """Return the column of an item by its name or its id (`id:979` is always read as an id).

    A name is first compared as written, then without regard to case. If several items have the name,
    the one that most users have is returned.

    Raises
    ------
    InputError
        No item has this name or id; the message lists the most similar names.
    """
    if text.startswith("id:"):
        return data.item_index(text.removeprefix("id:"))
    audience = np.bincount(data.interactions.indices, minlength=data.items)
    if data.item_names is not None and text.strip():
        names = data.item_names.tolist()
        folded = text.strip().casefold()
        same = [place for place, name in enumerate(names) if name.casefold() == folded]
        exact = [place for place in same if names[place] == text.strip()]
        if same:
            return max(exact or same, key=lambda place: int(audience[place]))
    try:
        return data.item_index(text)
    except InputError:
        popular = np.argsort(-audience, kind="stable")[:_SEARCHED]
        known = data.item_ids if data.item_names is None else data.item_names
        close = nearest(text, (str(known[place]) for place in popular.tolist()))
        raise InputError(_unknown("artist or item", text, data.items, close)) from None


def listener(data: Dataset, items: list[int]) -> csr_matrix:
    """Return the row (1, items) of a new user who has these items, each with its mean value."""
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


def _unknown(what: str, typed: str, count: int, close: list[str]) -> str:
    nearby = f"; the nearest are {', '.join(repr(one) for one in close)}" if close else ""
    return f"there is no {what} {typed!r} among the {count:,} in the data{nearby}"
