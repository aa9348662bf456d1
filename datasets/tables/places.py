"""What the fields of a column without a name can be: numbers, ids, times, stars."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from halfstep.datasets.tables.distinct import MISSING

_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?|[+-]?\d{1,3}([.,]\d{3})+")
_ISO = re.compile(
    r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})([T ]\d{1,2}:\d{2}.*)?"
    r"|\d{1,2}:\d{2}(:\d{2})?.*"
)
# Unix times of 1990 to 2100, in seconds, milliseconds, microseconds, nanoseconds.
_SECONDS = (631_152_000, 4_102_444_800)
_UNITS = (1, 1_000, 1_000_000, 1_000_000_000)
# The longest listing of the real Audioscrobbler data has a median of a few plays; ids are larger.
_LARGE = 1_000


@dataclass(frozen=True)
class Place:
    """What a column's fields can be.

    Attributes
    ----------
    number : bool
        All that is not missing are numbers.
    whole : bool
        All numbers are whole.
    time : bool
        They look like dates or like Unix times.
    id : bool
        Numbers that look like ids: whole, written with zeros before them, or large.
    stars : bool
        Numbers of the usual scales of ratings: from 0 to 5 in steps of a half, or from 1 to 10.
    """

    number: bool
    whole: bool
    time: bool
    id: bool
    stars: bool


def place_of(fields: Sequence[str]) -> Place:
    """Judge the fields of one column in a table's first lines."""
    known = [field.strip() for field in fields]
    known = [field for field in known if field not in MISSING]
    if not known:
        return Place(False, False, False, False, False)
    if not all(_NUMBER.fullmatch(field) for field in known):
        dated = sum(_ISO.fullmatch(field) is not None for field in known)
        return Place(False, False, 2 * dated > len(known), False, False)
    numbers = [_float(field) for field in known]
    whole = all(number == int(number) for number in numbers)
    time = _are_times(numbers, known)
    middle = sorted(abs(number) for number in numbers)[len(numbers) // 2]
    padded = any(re.fullmatch(r"0\d+", field) for field in known)
    different = len(set(known)) == len(known) and len(known) > 2 and min(numbers) >= _LARGE
    large = whole and (middle >= 10 * _LARGE or different)
    halves = all(0 <= number <= 5 and 2 * number == int(2 * number) for number in numbers)
    tens = whole and all(0 <= number <= 10 for number in numbers)
    return Place(True, whole, time, padded or large, halves or tens)


def _float(field: str) -> float:
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", field):
        return float(field.replace(",", ""))
    if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+,\d*", field):
        return float(field.replace(".", "").replace(",", "."))
    if field.count(".") > 1:
        return float(field.replace(".", ""))
    number = float(field.replace(",", "."))
    return number if abs(number) < 1e300 else 1e300


def _are_times(numbers: Sequence[float], fields: Sequence[str]) -> bool:
    first, last = _SECONDS
    for unit in _UNITS:
        if all(first * unit <= number <= last * unit for number in numbers):
            return True
    if all(re.fullmatch(r"\d{8}|\d{14}", field) for field in fields):
        days = [(int(f[:4]), int(f[4:6]), int(f[6:8])) for f in fields]
        return all(1950 <= y <= 2100 and 1 <= m <= 12 and 1 <= d <= 31 for y, m, d in days)
    return False
