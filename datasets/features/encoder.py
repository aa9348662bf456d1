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
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.datasets.features.kinds import (
    Field,
    check_single,
    field_of,
    kind_of,
    number,
    numbers_of,
    texts_of,
)
from halfstep.datasets.features.table import Table, is_missing
from halfstep.errors import InputError

KINDS = ("number", "strength", "category", "tags")
CONSTANT = "(all)"
_FORMAT = "halfstep features 1"


class FeatureEncoder:
    """The columns of a table of attributes; encodes rows of the same fields in the same way.

    Make one with `of`.

    Attributes
    ----------
    names, fields : list of str, length p
        The name of each column, and of its field.
    unknown : Counter
        How many categories and tags of the rows that were encoded last are not known, by field.

    See Also
    --------
    halfstep.datasets.features.read_features : Reads a file and encodes it.
    halfstep.datasets.features.Table : What it is made of.

    Examples
    --------
    >>> from halfstep.datasets.features import FeatureEncoder, Table
    >>> table = Table(["a", "b"], {"genre": [(0, "jazz"), (1, "folk")]}, frozenset(), [])
    >>> encoder, notes = FeatureEncoder.of(table)
    >>> encoder.names
    ['genre=folk', 'genre=jazz', '(all)']
    >>> encoder.encode_records([{"genre": "jazz"}]).toarray()
    array([[0., 1., 1.]])
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
        table : Table
        min_count : int
            How many records a category or tag must have, to be a column.
        kinds : dict, optional
            By field, one of `KINDS` instead of what the rules above would choose.
        constant : bool
            Whether a column "(all)" has a 1 in each row, so that a row without attributes is pulled to
            a mean of all rows, not to zero.

        Returns
        -------
        encoder : FeatureEncoder
        notes : list of str
            What was left out, a sentence each.

        Raises
        ------
        InputError
            A field of numbers has none, or an infinite one; no column is left; an unknown kind.

        See Also
        --------
        halfstep.datasets.features.read_features : Makes one of a file.
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
            how = kinds.get(name) or kind_of(name, pairs, table)
            if how is None:
                notes.append(
                    f"{name} is left out: {len({text for _, text in pairs}):,} of its {len(pairs):,} "
                    "texts differ"
                )
                continue
            if how in ("number", "strength"):
                pairs = numbers_of(name, pairs, notes)
                table.fields[name] = pairs
            made, rare = field_of(name, how, pairs, min_count)
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
        """Return the (record, text) pairs of fields as a matrix.

        Parameters
        ----------
        records : int
            The number of rows.
        fields : dict of str to (record, text) pairs
            As in a `Table`.

        Returns
        -------
        csr_matrix, shape (records, p), float64

        Raises
        ------
        InputError
            A value of a field of numbers is not a number, or a row has two values of a field that has
            no tags.

        See Also
        --------
        encode_records : Takes a mapping for each record.
        """
        rows: list[int] = []
        columns: list[int] = []
        values: list[float] = []
        self.unknown = Counter()
        start = 0
        for one in self.known:
            pairs = list(fields.get(one.name, ()))
            if one.kind != "tags":
                check_single(one.name, pairs)
            if one.kind in ("number", "strength"):
                for row, text in pairs:
                    rows.append(row)
                    columns.append(start)
                    values.append((number(one.name, text) - one.centre) / one.scale)
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
        """Return records as a matrix: each a mapping of fields to a value or a list of tags.

        Tags in one text are parted by `|`. Fields that are not known are counted in `unknown`.

        Parameters
        ----------
        records : sequence of dict

        Returns
        -------
        csr_matrix, shape (records, p), float64

        Raises
        ------
        InputError
            As in `encode`.

        See Also
        --------
        encode : Takes pairs, field by field.
        """
        known = {one.name: one for one in self.known}
        fields: dict[str, list[tuple[int, str]]] = {}
        for row, record in enumerate(records):
            for name, value in record.items():
                given = texts_of(value, name in known and known[name].kind != "tags")
                texts = [str(one).strip() for one in given]
                pairs = [(row, text) for text in texts if not is_missing(text)]
                fields.setdefault(str(name), []).extend(dict.fromkeys(pairs))
        strange = {name: len(pairs) for name, pairs in fields.items() if name not in known}
        encoded = self.encode(len(records), {n: p for n, p in fields.items() if n in known})
        self.unknown.update(strange)
        return encoded

    def to_dict(self) -> dict[str, Any]:
        """Return all of the encoder as plain lists, texts and numbers.

        See Also
        --------
        from_dict : Makes an encoder of it.
        """
        return {
            "format": _FORMAT,
            "constant": self.constant,
            "fields": [
                {
                    name: getattr(one, name)
                    for name in ("name", "kind", "categories", "centre", "scale")
                }
                for one in self.known
            ],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> FeatureEncoder:
        """Return the encoder that `to_dict` described.

        Parameters
        ----------
        value : dict

        Returns
        -------
        FeatureEncoder

        Raises
        ------
        InputError
            This is no description of an encoder.

        See Also
        --------
        to_dict : Describes an encoder.
        """
        try:
            if value["format"] != _FORMAT:
                raise InputError(f"must be {_FORMAT!r}, got {value['format']!r}")
            return cls([Field(**one) for one in value["fields"]], bool(value["constant"]))
        except (KeyError, TypeError) as error:
            raise InputError(f"this is no description of attributes: {error}") from error
