"""Tables in Parquet files, read with pyarrow, an optional package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.dataset import Dataset
from halfstep.datasets.formats.headers import by_name, by_position
from halfstep.datasets.text.bad_lines import MalformedLines
from halfstep.datasets.text.ids import TextIds
from halfstep.datasets.triples import from_triples
from halfstep.errors import InputError
from halfstep.memory import available, gigabytes


def read_parquet(path: Path) -> Dataset:
    """Read the user, item and value columns; a row with a null counts as malformed."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise InputError(
            f'{path}: reading Parquet needs pyarrow: pip install "halfstep[parquet]"'
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            roles = by_name(names) or by_position(len(names), path)
            _check_room(path, file.metadata.num_rows)
            places = [place for place in (roles.user, roles.item, roles.value) if place is not None]
            table = file.read(columns=[names[place] for place in places])
        columns = [_plain(table.column(names[place])) for place in places]
    except InputError:
        raise
    except KeyError as error:
        raise InputError(f"{path}: column {error} must occur exactly once") from error
    except (
        pa.ArrowException,
        OSError,
        ValueError,
        TypeError,
        IndexError,
        ArithmeticError,
    ) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: not a Parquet file: {reason}") from error

    lines = MalformedLines(path)
    good = np.ones(len(columns[0]), dtype=bool)
    for place, column in enumerate(columns):
        kind = "value not a number" if place == 2 else "missing id"
        bad = good & ~_usable(path, column, place == 2)
        for row in np.flatnonzero(bad):
            lines.add(kind, int(row) + 1)
        good &= ~bad
    lines.good = int(good.sum())
    malformed = lines.report()
    users, user_ids = _numbers(columns[0][good])
    items, item_ids = _numbers(columns[1][good])
    return from_triples(
        users,
        items,
        columns[2][good] if len(columns) == 3 else None,
        name=path.stem,
        user_ids=user_ids,
        item_ids=item_ids,
        provenance={
            "format": "parquet",
            "files": [path.name],
            "rows": lines.rows,
            "malformed": malformed,
        },
    )


def _check_room(path: Path, rows: int) -> None:
    """Raise InputError if three columns do not fit in memory: a small file can claim a billion rows."""
    need, free = 3 * 8 * rows, available()
    if free is not None and need > free:
        raise InputError(
            f"{path}: {rows} rows need {gigabytes(need)} of memory, and {gigabytes(free)} are free"
        )


def _plain(column: Any) -> NDArray[Any]:
    """Return numbers, or an object array of str and None; integers with nulls become floats with NaN."""
    values = np.asarray(column.to_pandas())
    if values.dtype.kind in "biuf":
        return values
    return values.astype(object)


def _usable(path: Path, column: NDArray[Any], is_value: bool) -> NDArray[np.bool_]:
    if is_value:
        if column.dtype.kind not in "biuf":
            raise InputError(f"{path}: the value column must hold numbers, got {column.dtype}")
        return np.asarray(np.isfinite(column))
    if column.dtype.kind == "f":
        whole = np.isfinite(column) & (column >= 0) & (column == np.floor(column))
        return np.asarray(whole)
    if column.dtype.kind in "iu":
        return np.asarray(column >= 0)
    return np.array([isinstance(text, str) and text.strip() != "" for text in column], dtype=bool)


def _numbers(column: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    if column.dtype.kind == "O":
        texts = TextIds()
        texts.append(column)
        return texts.numbered()
    ids, numbers = np.unique(column.astype(np.int64), return_inverse=True)
    return numbers, ids
