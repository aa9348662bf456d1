"""Find ids among other ids, whether numbers or text: 7 and "7" are one id, "07" is another."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LARGEST = np.iinfo(np.int64).max


def places(known: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.int64]:
    """Return the place of each wanted id among the known ones, or -1; shape (wanted,)."""
    numbers = _numbers(known), _numbers(wanted)
    if numbers[0] is not None and numbers[1] is not None:
        return _among_numbers(numbers[0], numbers[1])
    index = {text: place for place, text in enumerate(texts(known))}
    found = (index.get(text, -1) for text in texts(wanted))
    return np.fromiter(found, np.int64, len(wanted))


def place(known: NDArray[Any], wanted: object) -> int | None:
    """Return the place of an id, a number or its text, or None."""
    if isinstance(wanted, bool) or not isinstance(wanted, str | int | np.integer):
        return None
    text = str(wanted)
    if known.dtype.kind not in "iu":
        found = np.flatnonzero(known == text)
    elif (number := _number(text)) is None:
        return None
    else:
        found = np.flatnonzero(known == number)
    return int(found[0]) if len(found) else None


def texts(ids: NDArray[Any]) -> list[str]:
    """Return ids as text."""
    return [str(one) for one in ids.tolist()]


def repeated(ids: NDArray[Any]) -> int | str | None:
    """Return an id that occurs twice, or None."""
    listed: list[int | str] = ids.tolist()
    if len(set(listed)) == len(listed):
        return None
    seen: set[int | str] = set()
    for one in listed:
        if one in seen:
            return one
        seen.add(one)
    return None


def as_numbers(ids: NDArray[Any]) -> NDArray[np.int64] | None:
    """Return ids as int64 where each of them is a number or the text of one, otherwise None."""
    if ids.dtype.kind in "iu":
        return _numbers(ids)
    found = np.empty(len(ids), np.int64)
    for at, text in enumerate(texts(ids)):
        number = _number(text)
        if number is None or not -_LARGEST <= number <= _LARGEST:
            return None
        found[at] = number
    return found


def _number(text: str) -> int | None:
    """Return the number that `text` writes in the one way in which a number is written."""
    # No 64-bit number has more characters, and Python refuses to read thousands of digits.
    if len(text) > 20 or not (text.isascii() and text.removeprefix("-").isdigit()):
        return None
    number = int(text)
    return number if str(number) == text else None


def _numbers(ids: NDArray[Any]) -> NDArray[np.int64] | None:
    if ids.dtype.kind not in "iu" or (ids.dtype == np.uint64 and ids.max(initial=0) > _LARGEST):
        return None
    return ids.astype(np.int64, copy=False)


def _among_numbers(known: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    if len(known) == 0:
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)
    found = order[at]
    return np.where(known[found] == wanted, found, -1)
