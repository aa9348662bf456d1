"""Number the ids of a column: integers if every id is one as Python writes it, otherwise exact text."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.tables.distinct import distinct, is_missing, is_text, plain, strings
from halfstep.errors import InputError

MISSING, NEGATIVE = -1, -2
_LARGEST = np.iinfo(np.int64).max
# Public data mark an unknown id by one or two of these; other numbers below 0 are ids, such as hashes.
_MARKERS, _MOST_MARKERS = (-1, -2, -9, -99, -999, -9999), 2


@dataclass
class Numbered:
    """A column of ids.

    Attributes
    ----------
    places : ndarray
        int32 or int64, shape (rows,): the place of each row's id in `ids`, or `MISSING`, or `NEGATIVE`.
    ids : ndarray
        int64 or an object array of str, ascending, without duplicates.
    notes : list of str
        What the reader of the output must know.
    """

    places: NDArray[Any]
    ids: NDArray[Any]
    notes: list[str] = field(default_factory=list)


def number_ids(column: Any, what: str, role: str, *, text: bool = False) -> Numbered:
    """Give a number to each id of an Arrow column of any type.

    A missing marker and the blanks around an id are no part of it. In a column of integers, -1, and
    -2, -9, -99, -999 and -9999 likewise, stand for an unknown id if at most two different ids are below
    0 and both are such; otherwise numbers below 0 are ids.

    Parameters
    ----------
    column : pyarrow.Array or pyarrow.ChunkedArray
        Shape (rows,). Integers never pass through floats.
    what : str
        Names the column in an error.
    role : str
        "user" or "item".
    text : bool
        Whether ids stay text even if all of them are integers: they were quoted.

    Raises
    ------
    InputError
        The type cannot be an id (booleans, lists), a number is not whole, or text is not UTF-8.
    """
    import pyarrow.types as types

    column = plain(column, what)
    places, values = distinct(column)
    kind = values.type
    if types.is_boolean(kind):
        raise InputError(
            f"{what}: must hold ids, got true and false; name another column "
            f"(--{role}-column, in Python {role}=)"
        )
    if types.is_integer(kind):
        judged = _integers(values.to_numpy(zero_copy_only=False), role)
    elif types.is_floating(kind):
        judged = _floats(values.to_numpy(zero_copy_only=False), what, role)
    elif types.is_decimal(kind):
        judged = _decimals(values.to_pylist(), what, role)
    elif types.is_null(kind):
        judged = Numbered(np.empty(0, np.int64), np.empty(0, object))
    else:
        judged = _texts(values, what, role, keep=text)
    # A null's place, -1, is the last one of this table.
    table = np.append(judged.places, MISSING)
    if len(table) < 2**31:
        table = table.astype(np.int32)  # half the memory for each row
    judged.places = table[places]
    return judged


def _integers(values: NDArray[Any], role: str) -> Numbered:
    """Judge distinct integers of any width."""
    if values.dtype.kind == "u" and len(values) and int(values.max()) > _LARGEST:
        note = f"{role} ids above {_LARGEST} are kept as text"
        return _sorted_texts([str(value) for value in values.tolist()], [note])
    whole = values.astype(np.int64, copy=False)
    ids, places = np.unique(whole, return_inverse=True)
    below = int(np.searchsorted(ids, 0))
    if below == 0:
        return Numbered(places, ids)
    if below > _MOST_MARKERS or not np.isin(ids[:below], _MARKERS).all():
        return Numbered(places, ids, [f"{below} {role} ids are below 0, and are kept as ids"])
    return Numbered(np.where(places < below, NEGATIVE, places - below), ids[below:])


def _floats(values: NDArray[Any], what: str, role: str) -> Numbered:
    """Judge distinct floats, which must be whole and small enough to be exact."""
    limit = 2 ** (np.finfo(values.dtype).nmant + 1)
    there = ~np.isnan(values)
    present = values[there]
    wrong = present[~((np.abs(present) < limit) & (present == np.floor(present)))]
    if len(wrong):
        raise InputError(
            f"{what}: ids in {values.dtype} must be whole numbers below {limit}, got {wrong[0]}; "
            "make the column integers or text, where each id is exact"
        )
    numbered = _integers(present.astype(np.int64), role)
    places = np.full(len(values), MISSING)
    places[there] = numbered.places
    note = f"{role} ids were floating-point numbers, all whole, and are read as integers"
    return Numbered(places, numbered.ids, [*numbered.notes, note] if there.any() else [])


def _decimals(values: list[Decimal], what: str, role: str) -> Numbered:
    wrong = next((value for value in values if value != value.to_integral_value()), None)
    if wrong is not None:
        raise InputError(
            f"{what}: ids must be whole numbers or text, got {wrong}; name another column "
            f"(--{role}-column, in Python {role}=)"
        )
    whole = [int(value) for value in values]
    if any(abs(value) > _LARGEST for value in whole):
        note = f"{role} ids above {_LARGEST} are kept as text"
        return _sorted_texts([str(value) for value in whole], [note])
    return _integers(np.array(whole, np.int64), role)


def _texts(values: Any, what: str, role: str, keep: bool) -> Numbered:
    import pyarrow as pa

    if not is_text(values.type):
        try:
            values = values.cast(pa.large_string())  # dates and times
        except pa.ArrowException:
            raise InputError(
                f"{what}: holds {values.type}, which cannot be an id; make it text first"
            ) from None
    text, cut = strings(values, what)
    there = ~is_missing(text)
    present = text.filter(pa.array(there))
    whole = None if keep else _whole(present)
    numbered = _sorted(present, role) if whole is None else _integers(whole, role)
    places = np.full(len(values), MISSING)
    places[there] = numbered.places
    notes = [f"blanks around {cut} {role} ids are cut"] if cut else []
    if whole is None and not keep:
        notes += _nearly_integers(present, role)
    return Numbered(places, numbered.ids, [*notes, *numbered.notes])


def _nearly_integers(text: Any, role: str) -> list[str]:
    """Say which id makes text of a column whose other ids are integers."""
    import pyarrow.compute as pc

    integers = pc.match_substring_regex(text, r"^(0|-?[1-9][0-9]{0,17})$")
    others = len(text) - (pc.sum(integers).as_py() or 0)
    if not 0 < 20 * others <= len(text):
        return []
    first = text.filter(pc.invert(integers))[0].as_py()
    one = "id is" if others == 1 else "ids are"
    return [f"{role} ids are text, since {others} {one} no integer: {first!r}"]


def _whole(text: Any) -> NDArray[np.int64] | None:
    """Return strings as integers if each is what Python writes for one that fits 64 bits."""
    import pyarrow as pa

    if len(text) == 0:
        return None
    try:
        numbers = text.cast(pa.int64())
    except pa.ArrowInvalid:
        return None
    # Arrow reads leading zeros too; what it writes tells them.
    same = numbers.cast(text.type).equals(text)
    return numbers.to_numpy() if same else None


def _sorted(text: Any, role: str) -> Numbered:
    """Put strings in ascending order; two that were cut to the same string fall together."""
    import pyarrow.compute as pc

    encoded = text.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary)
    ids = encoded.dictionary.take(order).to_numpy(zero_copy_only=False)
    rank = np.empty(len(order), np.int64)
    rank[order.to_numpy()] = np.arange(len(order))
    notes = []
    if pc.index(encoded.dictionary, "-1").as_py() >= 0:
        notes.append(f"{role} '-1' is kept as an id, since other {role} ids are text")
    return Numbered(rank[encoded.indices.to_numpy()], ids, notes)


def _sorted_texts(texts: list[str], notes: list[str]) -> Numbered:
    ids, places = np.unique(np.array(texts, dtype=object), return_inverse=True)
    return Numbered(places, ids, notes)
