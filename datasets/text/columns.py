"""Read columns of numbers from text: clean blocks with pandas' C parser, the others line by line.

The fast parser must never accept what the slow one refuses. pandas alone would: it reads "True" as 1
and "inf" as a number, takes several lines for one quoted field, and drops blank lines. So the fast
parser's result counts only if the block's characters, number of rows and values are all as expected.
"""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.text.bad_lines import MalformedLines
from halfstep.datasets.text.blocks import blocks
from halfstep.datasets.text.line import Kind, Layout, parse, split

_DTYPES: dict[str, Any] = {
    "id": "int64",
    "count": "int64",
    "number": "float64",
}


def read_columns(path: Path, layout: Layout) -> tuple[list[NDArray[Any]], MalformedLines]:
    """Read a whole file.

    Returns
    -------
    columns : list of ndarray
        One array per field; integers as int32 where they fit.
    malformed : MalformedLines
        The lines that were left out; the caller calls its `report`.
    """
    malformed = MalformedLines(path)
    parts = list(read_blocks(path, layout, malformed))
    columns = []
    for column, kind in enumerate(layout.kinds):
        arrays = [part[column] for part in parts]
        columns.append(np.concatenate(arrays) if arrays else np.empty(0, _DTYPES[kind]))
        for part in parts:
            part[column] = np.empty(0, np.int32)  # frees each block as soon as it is joined
    malformed.good = len(columns[0])
    return columns, malformed


def read_blocks(
    path: Path, layout: Layout, malformed: MalformedLines
) -> Iterator[list[NDArray[Any]]]:
    """Yield the columns block by block."""
    for first_line, lines in blocks(path):
        line, block = first_line, lines
        if line == 1 and layout.header:
            block = block.partition(b"\n")[2]
            line += 1
        if block:
            columns = _fast(block, layout)
            if columns is None:
                columns = _slow(block, line, layout, malformed)
            yield [_narrow(column) for column in columns]


def _fast(block: bytes, layout: Layout) -> list[NDArray[Any]] | None:
    import pandas as pd

    signs = b"+-.eE" if "number" in layout.kinds else b""
    if block.translate(None, b"0123456789\r\n" + signs + layout.separator.encode()):
        return None
    names = range(len(layout.kinds))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            frame = pd.read_csv(
                io.BytesIO(block),
                sep=layout.separator,
                header=None,
                names=names,
                index_col=False,
                dtype={name: _DTYPES[layout.kinds[name]] for name in names},
                quoting=csv.QUOTE_NONE,
                na_filter=False,
                skip_blank_lines=False,
                low_memory=False,
                encoding="utf-8",
                engine="c",
            )
        except (
            ValueError,
            OverflowError,
            Warning,
        ):  # pandas' own errors are ValueErrors
            return None
    if len(frame) != block.count(b"\n") + (not block.endswith(b"\n")):
        return None
    columns = []
    for name, kind in enumerate(layout.kinds):
        column = frame[name].to_numpy()
        if not _acceptable(column, kind):
            return None
        columns.append(column)
    return columns


def _acceptable(column: NDArray[Any], kind: Kind) -> bool:
    if kind == "number":
        return bool(np.isfinite(column).all())
    return bool(column.min() >= (1 if kind == "count" else 0))


def _slow(
    block: bytes, first_line: int, layout: Layout, malformed: MalformedLines
) -> list[NDArray[Any]]:
    rows: list[list[Any]] = [[] for _ in layout.kinds]
    for line, raw in enumerate(block.splitlines(), start=first_line):
        fields = split(raw.decode("utf-8", "replace"), layout)
        problem, values = parse(fields, layout.kinds)
        if problem:
            malformed.add(problem, line)
            continue
        for row, value in zip(rows, values, strict=True):
            row.append(value)
    return [
        np.array(row, dtype=_DTYPES[kind]) for row, kind in zip(rows, layout.kinds, strict=True)
    ]


def _narrow(column: NDArray[Any]) -> NDArray[Any]:
    if column.dtype.kind != "i" or len(column) == 0:
        return column
    limits = np.iinfo(np.int32)
    fits = limits.min <= column.min() and column.max() <= limits.max
    return column.astype(np.int32) if fits else column
