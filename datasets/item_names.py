"""Names of items from a second table, such as a catalogue of articles."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.small_table import read_small_table
from halfstep.datasets.tables.known_names import names_of, strength
from halfstep.datasets.text.foreign import check_known
from halfstep.errors import InputError
from halfstep.plural import counted

_NUMBER = re.compile(r"[^\w\s]{0,2}\d+([.,]\d+)*([eE][+-]?\d+)?")


def with_item_names(dataset: Dataset, path: Path) -> Dataset:
    """Return a data set with the names that a second table has for its items.

    The ids are in the column that is called as in the data, has a known name, or has the most of the
    data's ids. The names are in the column with a known name, or in the other one of two.

    Raises
    ------
    InputError
        The table cannot be read, its columns cannot be told, or it has none of the items.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; it was to hold the items' names")
    check_known(path)
    names, columns = read_small_table(path)
    wanted = {str(one): place for place, one in enumerate(dataset.item_ids.tolist())}
    ids, id_place = _id_column(dataset, names, columns, wanted)
    texts = columns[_name_column(path, names, columns, id_place, wanted)]
    found = np.full(dataset.items, "", dtype=object)
    if dataset.item_names is not None:
        found[:] = dataset.item_names
    named = set()
    for one, name in zip(ids, texts, strict=True):
        place = wanted.get(one)
        if place is not None and name:
            found[place] = name
            named.add(place)
    if not named:
        some = ", ".join(map(repr, list(wanted)[:3]))
        raise InputError(
            f"{path}: names none of the {counted(dataset.items, 'items')}; the data has ids such as "
            f"{some}, and the table {', '.join(map(repr, ids[:3]))}"
        )
    note = f"{path.name} names {len(named)} of {counted(dataset.items, 'items')}"
    return replace(dataset, item_names=found, provenance=_noted(dataset, note))


def _noted(dataset: Dataset, note: str) -> dict[str, object]:
    provenance = dict(dataset.provenance)
    reading = provenance.get("reading")
    if isinstance(reading, dict):
        provenance["reading"] = {**reading, "notes": [*reading.get("notes", []), note]}
    else:
        provenance["item_names"] = note
    return provenance


def _id_column(
    dataset: Dataset, names: Sequence[str], columns: list[list[str]], wanted: dict[str, int]
) -> tuple[list[str], int]:
    reading = dataset.provenance.get("reading")
    called = reading.get("columns", {}).get("item") if isinstance(reading, dict) else None
    same = [place for place, name in enumerate(names) if name == called]
    known = [
        (rank, place)
        for place, name in enumerate(names)
        if (rank := strength("item", name)) is not None
    ]
    matches = [sum(one in wanted for one in set(column)) for column in columns]
    # The column in which most ids are found; names decide only between equals.
    order = [*same, *(place for _, place in sorted(known)), *range(len(columns))]
    place = max(order, key=lambda place: (matches[place], -order.index(place)))
    return columns[place], place


def _name_column(
    path: Path,
    names: Sequence[str],
    columns: list[list[str]],
    id_place: int,
    wanted: Mapping[str, int],
) -> int:
    folded = ["".join(c for c in name.casefold() if c.isalnum()) for name in names]
    for word in (*names_of(names[id_place]), "name", "title", "description"):
        places = [place for place, name in enumerate(folded) if name == word and place != id_place]
        if places:
            return places[0]
    # Without names of columns, MovieLens and its relatives have the title after the id.
    other, why = None, ""
    if len(columns) == 2:
        other = 1 - id_place
    elif strength("item", names[id_place]) is None and id_place + 1 < len(columns):
        other = id_place + 1
    if other is not None:
        # A price or a year is no name. A first line without an id of the data may name the columns.
        first = 0 if names[id_place] in wanted else 1
        said = [text for text in columns[other][first:] if text]
        if not said or not all(_NUMBER.fullmatch(text) for text in said):
            return other
        why = f", and column {other + 1} holds numbers only"
    listed = ", ".join(map(repr, names[:40]))
    raise InputError(
        f"{path}: cannot tell which column holds the items' names{why}; the columns are {listed}. "
        "Give the right one the name 'title' in the first line"
    )
