"""One line of a text table: its layout, how it is split, and what may be wrong with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["id", "count", "number"]
MISSING = frozenset({"", "nan", "null"})


@dataclass(frozen=True)
class Layout:
    """The layout of a line.

    Parameters
    ----------
    kinds : sequence of str
        One per field: "id" (integer from 0), "count" (integer from 1), "number" (finite).
    separator : str
        One character.
    header : bool
        Whether to skip the first line.
    """

    kinds: Sequence[Kind]
    separator: str
    header: bool = False


def split(text: str, layout: Layout) -> list[str]:
    """Return the fields of a line, [] for a blank one."""
    if not text.strip():
        return []
    if layout.separator == " ":
        return text.split()
    return text.split(layout.separator)


def parse(fields: list[str], kinds: Sequence[Kind]) -> tuple[str, list[Any]]:
    """Return (what is wrong, or ""; the values of the fields)."""
    if len(fields) != len(kinds):
        problem = "missing fields" if fields else "blank line"
        return ("extra fields" if len(fields) > len(kinds) else problem), []
    values: list[Any] = []
    for text, kind in zip(fields, kinds, strict=True):
        number = integer(text) if kind in ("id", "count") else finite(text)
        if kind == "id":
            if text.strip().casefold() in MISSING:
                return "missing id", []
            if number is None:
                return "id not an integer", []
            if number < 0:
                return "negative id", []
        elif number is None:
            return ("count not an integer" if kind == "count" else "value not a number"), []
        elif kind == "count" and number < 1:
            return "count below 1", []
        values.append(number)
    return "", values


def finite(text: str) -> float | None:
    """Return the finite number that `text` spells, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and text.isascii() and "_" not in text else None


def integer(text: str) -> int | None:
    """Return the 64-bit integer that `text` spells ("5", "5.0", "5e0"), or None."""
    number = finite(text)
    if number is None or not number.is_integer() or abs(number) >= 2**63:
        return None
    try:
        return int(text)  # not int(number): a float has only 53 bits
    except ValueError:
        return int(number)
