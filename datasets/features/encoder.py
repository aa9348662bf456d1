"""Fields of text as columns of numbers: what each field is, and how other rows are encoded alike.

* A *number* is a field of numbers that at least half of the records have. It is one column: (value -
  mean) / standard deviation, and 0 where it is missing.
* A *strength* is a field of numbers that fewer have. It is one column: value / largest absolute value,
  and 0 where it is missing.
* A *category* is a field of one text for a record: a column for each text, of 1 and 0.
* *Tags* are several texts for a record: a column for each tag, of 0 and 1 / root of the number of tags
  that the record has in this field. So one with fifty tags weighs no more than one with two.

A field whose texts are nearly all distinct, as titles are, says nothing of other records: it is left
out. An unknown category or tag of a later row is counted and left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.datasets.features.table import MARK, Table, is_missing
from halfstep.errors import InputError

KINDS = ("number", "strength", "category", "tags")
CONSTANT = "(all)"
_FORMAT = "halfstep features 1"
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


class FeatureEncoder:
    """The columns of a table of attributes; encodes rows of the same fields in the same way.

    Attributes
    ----------
    names, fields
        (p,) the name of each column, and of its field.
    unknown
        How many categories and tags of the rows that were encoded last are not known, by field.
    """

    def __init__(self, known: Sequence[Field], constant: bool = False) -> None:
        self.known, self.constant = list(known), constant
        self.unknown: Counter[str] = Counter()

    @classmethod
    def of(
        cls,
        table: Table,
        *,
        min_count: int = 1,
        kinds: Mapping[str, str] | None = None,
        constant: bool = True,
    ) -> tuple[FeatureEncoder, list[str]]:
        """Return an encoder of a table's fields, and sentences of what it leaves out.

        Parameters
        ----------
        min_count
            How many records a category or tag must have, to be a column.
        kinds
            The kind of a field, where the rules above would choose another.
        constant
            Whether a column "(all)" has a 1 in each row, so that a row without attributes is pulled to a
            mean of all rows, not to zero.

        Raises
        ------
        InputError
            A value of a field of numbers is none, or infinite; no column is left; an unknown kind.
        """
        kinds = dict(kinds or {})
        for name, kind in kinds.items():
            if name not in table.fields:
                raise InputError(f"kinds must name fields of the table, got {name!r}")
            if kind not in KINDS:
                raise InputError(f"the kind of {name!r} must be one of {KINDS}, got {kind!r}")
        found, notes = [], []
        for name, pairs in table.fields.items():
            if not pairs:
                notes.append(f"{name} has no values and is left out")
                continue
            how = kinds.get(name) or _kind(name, pairs, table)
            if how is None:
                notes.append(
                    f"{name} is left out: {len({text for _, text in pairs}):,} of its {len(pairs):,} "
                    "texts differ"
                )
                continue
            if how in ("number", "strength"):
                pairs = _numbers_of(name, pairs, notes)
                table.fields[name] = pairs
            made, rare = _field(name, how, pairs, min_count)
            if made.scale == 0:
                notes.append(f"{name} is the same number everywhere and is left out")
                continue
            if rare:
                notes.append(
                    f"{rare:,} values of {name} are left out: fewer than {min_count} rows have them"
                )
            if made.columns:
                found.append(made)
        if not found:
            raise InputError(
                "the table must have an attribute that is a number, a category or a tag"
            )
        return cls(found, constant), notes

    @property
    def names(self) -> list[str]:
        """The name of each column, (p,)."""
        own = [column for one in self.known for column in one.columns]
        return [*own, CONSTANT] if self.constant else own

    @property
    def fields(self) -> list[str]:
        """The field of each column, (p,)."""
        own = [one.name for one in self.known for _ in one.columns]
        return [*own, CONSTANT] if self.constant else own

    def encode(
        self, records: int, fields: Mapping[str, Iterable[tuple[int, str]]]
    ) -> sparse.csr_matrix:
        """Return the (record, text) pairs of fields as CSR (records, p), float64.

        Raises
        ------
        InputError
            A value of a field of numbers is none.
        """
        rows: list[int] = []
        columns: list[int] = []
        values: list[float] = []
        self.unknown = Counter()
        start = 0
        for one in self.known:
            pairs = list(fields.get(one.name, ()))
            if one.kind in ("number", "strength"):
                for row, text in pairs:
                    rows.append(row)
                    columns.append(start)
                    values.append((_number(one.name, text) - one.centre) / one.scale)
            else:
                kept = [(row, one.place[text]) for row, text in pairs if text in one.place]
                self.unknown[one.name] += len(pairs) - len(kept)
                many = Counter(row for row, _ in kept)
                rows += [row for row, _ in kept]
                columns += [start + k for _, k in kept]
                tags = one.kind == "tags"
                values += [1 / math.sqrt(many[row]) if tags else 1.0 for row, _ in kept]
            start += len(one.columns)
        if self.constant:
            rows += range(records)
            columns += [start] * records
            values += [1.0] * records
            start += 1
        self.unknown += Counter()  # without zeros
        return sparse.csr_matrix(
            (values, (rows, columns)), shape=(records, start), dtype=np.float64
        )

    def encode_records(self, records: Sequence[Mapping[str, Any]]) -> sparse.csr_matrix:
        """Return records as CSR (records, p): each a mapping of fields to a value or a list of tags.

        Tags in one text are parted by `|`. Fields that are not known are counted in `unknown`.
        """
        fields: dict[str, list[tuple[int, str]]] = {}
        for row, record in enumerate(records):
            for name, value in record.items():
                given = value if isinstance(value, list | tuple | set) else str(value).split(MARK)
                given = [] if value is None else given
                texts = [str(one).strip() for one in given]
                pairs = [(row, text) for text in texts if not is_missing(text)]
                fields.setdefault(str(name), []).extend(dict.fromkeys(pairs))
        known = {one.name: one for one in self.known}
        for name, pairs in fields.items():
            kind = known[name].kind if name in known else ""
            if kind in ("number", "strength", "category") and len({r for r, _ in pairs}) < len(
                pairs
            ):
                raise InputError(f"{name} must have one value, got {[text for _, text in pairs]}")
        strange = {name: len(pairs) for name, pairs in fields.items() if name not in known}
        encoded = self.encode(len(records), {n: p for n, p in fields.items() if n in known})
        self.unknown.update(strange)
        return encoded

    def to_dict(self) -> dict[str, Any]:
        """Return all of the encoder as plain lists, texts and numbers."""
        return {
            "format": _FORMAT,
            "constant": self.constant,
            "fields": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "categories": one.categories,
                    "centre": one.centre,
                    "scale": one.scale,
                }
                for one in self.known
            ],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> FeatureEncoder:
        """Return the encoder that `to_dict` described; raise InputError if it did not."""
        try:
            if value["format"] != _FORMAT:
                raise InputError(f"must be {_FORMAT!r}, got {value['format']!r}")
            return cls([Field(**one) for one in value["fields"]], bool(value["constant"]))
        except (KeyError, TypeError) as error:
            raise InputError(f"this is no description of attributes: {error}") from error


def _kind(name: str, pairs: Sequence[tuple[int, str]], table: Table) -> str | None:
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


def _field(
    name: str, kind: str, pairs: Sequence[tuple[int, str]], min_count: int
) -> tuple[Field, int]:
    """Return a field, and how many of its categories are too rare."""
    if kind in ("number", "strength"):
        numbers = np.array([_number(name, text) for _, text in pairs])
        if kind == "strength":
            return Field(name, kind, scale=float(np.abs(numbers).max(initial=0))), 0
        centre, scale = float(numbers.mean()), float(numbers.std())
        if scale <= 1e-12 * abs(centre):  # rounding alone
            scale = 0.0
        return Field(name, kind, centre=centre, scale=scale), 0
    counts = Counter(text for _, text in pairs)
    kept = sorted(text for text, count in counts.items() if count >= min_count)
    return Field(name, kind, kept), len(counts) - len(kept)


def _numbers_of(
    name: str, pairs: Sequence[tuple[int, str]], notes: list[str]
) -> list[tuple[int, str]]:
    """Return the pairs whose texts are numbers; say which are not, in `notes`."""
    kept = [(row, text) for row, text in pairs if _is_number(text)]
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


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"{name} must be a number, got {text!r}") from None
    if not abs(value) < _LARGEST:
        raise InputError(f"{name} must be a number below {_LARGEST:.0e} in size, got {text!r}")
    return value
