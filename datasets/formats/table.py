"""Text tables of user, item and perhaps value, one row a line: CSV, TSV, or `::` or blanks between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.formats.headers import Roles, by_name, by_position
from halfstep.datasets.tables.options import TableOptions
from halfstep.datasets.text.bad_lines import MalformedLines
from halfstep.datasets.text.blocks import first_lines
from halfstep.datasets.text.columns import read_blocks, read_columns
from halfstep.datasets.text.ids import TextIds
from halfstep.datasets.text.line import MISSING, Kind, Layout, finite, integer, split
from halfstep.datasets.triples import from_triples
from halfstep.errors import InputError

SEPARATORS = ("\t", "::", ",", ";", "|", " ")


def read_table(path: Path, options: TableOptions | None = None) -> Dataset:
    """Read one table; the columns are found by the header's names, otherwise by position.

    A column of ids becomes integers if all of them are, otherwise strings. Without a value column each
    row counts 1. Further columns are ignored, but every line must have as many fields as the first.
    """
    if options is not None and options != TableOptions(item_names=options.item_names):
        raise InputError(f"{path}: options for text tables are not heeded")
    head = first_lines(path, 1000)
    separator = next((mark for mark in SEPARATORS if mark in head[0].strip()), None)
    if separator is None:
        line = head[0][:60]
        raise InputError(
            f"{path}: a table must have at least 2 columns, its first line is {line!r}"
        )
    plain = Layout((), separator, quoted=separator in ",;|")
    rows = [split(line, plain) or [] for line in head]
    named = by_name(rows[0])
    roles = named or by_position(len(rows[0]), path)
    header = named is not None or _is_header(rows)
    numeric = _ids_look_numeric(rows[1:] if header else rows, roles)
    layout = _layout(roles, len(rows[0]), separator, header, "id" if numeric else "text id")
    name = path.name.removesuffix(".gz").rpartition(".")[0]
    if numeric:
        columns, lines = read_columns(path, layout)
        if "id not an integer" not in lines.counts:
            values = columns.pop(_value_place(roles)) if roles.value is not None else None
            users, items = columns if roles.user < roles.item else columns[::-1]
            dataset_provenance = _provenance(path, lines)
            return from_triples(users, items, values, name=name, provenance=dataset_provenance)
        layout = _layout(roles, len(rows[0]), separator, header, "text id")
    return _read_text_ids(path, roles, layout, name)


def _read_text_ids(path: Path, roles: Roles, layout: Layout, name: str) -> Dataset:
    lines = MalformedLines(path)
    user_texts, item_texts = TextIds(), TextIds()
    value_parts = []
    for columns in read_blocks(path, layout, lines):
        lines.good += len(columns[0])
        if roles.value is not None:
            value_parts.append(columns.pop(_value_place(roles)))
        users, items = columns if roles.user < roles.item else columns[::-1]
        user_texts.append(users)
        item_texts.append(items)
    provenance = _provenance(path, lines)
    rows, user_ids = user_texts.numbered()
    cols, item_ids = item_texts.numbered()
    return from_triples(
        rows,
        cols,
        np.concatenate(value_parts) if value_parts else None,
        name=name,
        user_ids=user_ids,
        item_ids=item_ids,
        provenance=provenance,
    )


def _provenance(path: Path, lines: MalformedLines) -> dict[str, object]:
    malformed = lines.report()
    return {"format": "table", "files": [path.name], "rows": lines.rows, "malformed": malformed}


def _layout(roles: Roles, width: int, separator: str, header: bool, ids: Kind) -> Layout:
    kinds: list[Kind] = ["unused"] * width
    kinds[roles.user] = kinds[roles.item] = ids
    if roles.value is not None:
        kinds[roles.value] = "number"
    return Layout(kinds, separator, quoted=separator in ",;|", header=header)


def _value_place(roles: Roles) -> int:
    """Return the position of the value among the columns that are used."""
    assert roles.value is not None
    return (roles.user < roles.value) + (roles.item < roles.value)


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Recognise a header without known names: the first line has no number, and the second has one."""
    if len(rows) < 2 or any(finite(field) is not None for field in rows[0]):
        return False
    return any(finite(field) is not None for field in rows[1])


def _ids_look_numeric(rows: Sequence[Sequence[str]], roles: Roles) -> bool:
    """Guess from the first lines; `read_table` starts again with text ids if the file disagrees."""
    fields = (row[place] for row in rows for place in (roles.user, roles.item) if place < len(row))
    return all(
        integer(field) is not None or field.strip().casefold() in MISSING for field in fields
    )
