"""What each field of a table of attributes is, and what its columns need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from halfstep.datasets.features.table import MARK, Table
from halfstep.errors import InputError

_LARGEST = 1e100
_NUMBERS = 0.9  # of the texts of a field of numbers, at least
_FREE_TEXT, _FEW = 0.5, 20  # a field of more distinct texts, by share of its records, is free text


@dataclass
class Field:
    """A field: its kind, and its categories, or the centre and the scale of its numbers."""

    name: str
    kind: str
    categories: list[str] = field(default_factory=list)
    centre: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        self.place = {text: k for k, text in enumerate(self.categories)}

    @property
    def columns(self) -> list[str]:
        """The names of the field's columns."""
        if self.kind in ("number", "strength"):
            return [self.name]
        return [f"{self.name}={text}" for text in self.categories]


def kind_of(name: str, pairs: Sequence[tuple[int, str]], table: Table) -> str | None:
    """Return the kind of a field, or None of free text."""
    if name in table.tags:
        return "tags"
    alone = len({row for row, _ in pairs}) == len(pairs)
    numbers = sum(_is_number(text) for _, text in pairs)
    if alone and numbers > _NUMBERS * len(pairs):
        return "number" if len(pairs) >= 0.5 * len(table.ids) else "strength"
    distinct = len({text for _, text in pairs})
    if alone and distinct > _FEW and distinct > _FREE_TEXT * len(pairs):
        return None
    return "category" if alone else "tags"


def field_of(
    name: str, kind: str, pairs: Sequence[tuple[int, str]], min_count: int
) -> tuple[Field, int]:
    """Return a field, and how many of its categories are too rare."""
    if kind in ("number", "strength"):
        numbers = np.array([number(name, text) for _, text in pairs])
        if kind == "strength":
            return Field(name, kind, scale=float(np.abs(numbers).max(initial=0))), 0
        centre, scale = float(numbers.mean()), float(numbers.std())
        if scale <= 1e-12 * abs(centre):  # rounding alone
            scale = 0.0
        return Field(name, kind, centre=centre, scale=scale), 0
    counts = Counter(text for _, text in pairs)
    kept = sorted(text for text, count in counts.items() if count >= min_count)
    return Field(name, kind, kept), len(counts) - len(kept)


def numbers_of(
    name: str, pairs: Sequence[tuple[int, str]], notes: list[str]
) -> list[tuple[int, str]]:
    """Return the pairs whose texts are numbers; say which are not, in `notes`."""
    kept = [(row, text) for row, text in pairs if _is_number(text)]
    if not kept:
        raise InputError(f"{name} must have numbers, got {pairs[0][1]!r}")
    if len(kept) < len(pairs):
        other = next(text for _, text in pairs if not _is_number(text))
        notes.append(
            f"{len(pairs) - len(kept):,} values of {name} are no numbers and count as missing: {other!r}"
        )
    return kept


def _is_number(text: str) -> bool:
    """Return whether a text is a number; one with a leading zero is a code."""
    if len(text) > 1 and text[0] == "0" and text.isdigit():
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True


def number(name: str, text: str) -> float:
    """Return the number that a text is; raise InputError, which names the field, if it is none."""
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"{name} must be a number, got {text!r}") from None
    if not abs(value) < _LARGEST:
        raise InputError(f"{name} must be a number below {_LARGEST:.0e} in size, got {text!r}")
    return value


def texts_of(value: Any, single: bool) -> list[Any]:
    """Return the values of a field of a record: one, several tags, or none."""
    if value is None:
        return []
    if isinstance(value, list | tuple | set):
        return list(value)
    return [value] if single else str(value).split(MARK)


def check_single(name: str, pairs: Sequence[tuple[int, str]]) -> None:
    """Raise InputError if a row has two values of a field."""
    first: dict[int, str] = {}
    for row, text in pairs:
        if first.setdefault(row, text) != text:
            raise InputError(f"{name} must have one value a row, got {first[row]!r} and {text!r}")
