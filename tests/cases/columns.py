"""Data sets made of columns, for tests of what becomes of ids, values and times."""

import json

import pyarrow as pa

from halfstep.datasets.tables.assemble import assemble
from halfstep.datasets.tables.options import TableOptions
from halfstep.datasets.tables.reading import Reading

SECONDS = 1_400_000_000


def build(user, item=None, *, rating=False, text=(), comma=False, rows=None, told=None, **others):
    columns = {"user": user, "item": ["i"] * len(user) if item is None else item, **others}
    arrow = {
        role: column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column)
        for role, column in columns.items()
    }
    reading = Reading("made up", ["a.x"], columns={"value": "n"})
    dataset = assemble(
        *("made", arrow, reading, TableOptions(**(told or {}))),
        rating=rating,
        text_ids=frozenset(text),
        decimal_comma=comma,
        rows=rows,
    )
    json.dumps(dataset.provenance, allow_nan=False)
    return dataset, reading


def users(column, **more):
    dataset, reading = build(column, **more)
    return dataset.user_ids.tolist(), reading


def values(column, **more):
    count = len(column)
    dataset, reading = build(list(range(count)), value=column, **more)
    found = dict(zip(dataset.user_ids.tolist(), dataset.interactions.data.tolist(), strict=True))
    return [found.get(row) for row in range(count)], reading
