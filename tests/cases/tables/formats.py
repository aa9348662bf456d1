"""Tables in other formats than text: Parquet, Feather, JSON lines, Matrix Market, lists of items."""

from __future__ import annotations

import decimal
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import feather, parquet

from cases.tables import (
    ASINS,
    CUSTOMERS,
    REVIEWERS,
    ROWS,
    Case,
    Row,
    entries,
    lines,
    one,
    plays,
    same,
)

_REVIEWS = entries(REVIEWERS.__getitem__, ASINS.__getitem__, plays)
_LARGE = 7234567890123456700


def _table(columns: Mapping[str, tuple[Callable[[Row], Any], Any]]) -> pa.Table:
    return pa.table(
        {name: pa.array([of(row) for row in ROWS], kind) for name, (of, kind) in columns.items()}
    )


def _reviews(text: Any = None, number: Any = None, value: Callable[[Row], Any] = plays) -> pa.Table:
    return _table(
        {
            "user_id": (lambda row: REVIEWERS[row.u], text or pa.string()),
            "item_id": (lambda row: ASINS[row.i], text or pa.string()),
            "rating": (value, number or pa.float64()),
        }
    )


def _numbers(value: Callable[[Row], Any], kind: Any, user: Any = None) -> pa.Table:
    return _table(
        {
            "user_id": (user or (lambda row: row.u), pa.int64()),
            "item_id": (lambda row: row.i, pa.int64()),
            "rating": (value, kind),
        }
    )


def _parquet(
    name: str, table: pa.Table, expected: dict[tuple[str, str], float], **more: Any
) -> Case:
    return Case(name, lambda path: parquet.write_table(table, path), expected, **more)


def _spark(path: Path) -> None:
    path.mkdir()
    table = _reviews()
    for part in range(2):
        parquet.write_table(
            table.slice(30 * part, 30),
            path / f"part-{part:05d}.snappy.parquet",
            compression="snappy",
        )
    (path / "_SUCCESS").write_bytes(b"")


def _lists(path: Path, low: int, high: int) -> None:
    items = {u: [row.i for row in ROWS if row.u == u][low:high] for u in range(12)}
    path.write_text("".join(f"{u} {' '.join(map(str, own))}\n" for u, own in items.items()))


def _lightgcn(path: Path) -> None:
    path.mkdir()
    _lists(path / "train.txt", 0, 4)
    _lists(path / "test.txt", 4, 5)


def _triples(path: Path) -> None:
    path.mkdir()
    for name, held_out in (("train.txt", False), ("test.txt", True)):
        chosen = [row for row in ROWS if (row.place % 5 == 0) == held_out]
        (path / name).write_text("".join(f"{r.u}\t{r.i}\t{r.plays}\n" for r in chosen))


def _of(
    rows: list[Row], value: Callable[[Row], float] | None = None
) -> dict[tuple[str, str], float]:
    return {(str(r.u), str(r.i)): 1.0 if value is None else float(value(r)) for r in rows}


def _json(form: Callable[[Row], dict[str, Any]]) -> Callable[[Path], object]:
    return lambda path: path.write_text("".join(json.dumps(form(row)) + "\n" for row in ROWS))


_FIRST_FOUR = [row for row in ROWS if row.place % 5 < 4]

PARQUET = [
    _parquet("p_plain.parquet", _reviews(), _REVIEWS),
    _parquet("p_other_ending.pq", _reviews(), _REVIEWS),
    _parquet("p_category.parquet", _reviews(pa.dictionary(pa.int8(), pa.string())), _REVIEWS),
    _parquet("p_large_string.parquet", _reviews(pa.large_string(), pa.uint8()), _REVIEWS),
    _parquet(
        "p_decimal.parquet",
        _numbers(lambda row: decimal.Decimal(row.plays), pa.decimal128(5, 2)),
        entries(same, same, plays),
    ),
    _parquet(
        "p_bool.parquet",
        _numbers(lambda row: bool(row.place % 3), pa.bool_()),
        _of([row for row in ROWS if row.place % 3]),
    ),
    _parquet(
        "p_big_ids.parquet",
        _numbers(lambda row: 1.0, pa.float64(), lambda row: _LARGE + row.u),
        entries(lambda u: _LARGE + u, same),
    ),
    _parquet(
        "p_big_ids_one_null.parquet",
        _numbers(
            lambda row: 1.0, pa.float64(), lambda row: _LARGE + row.u if row.place < 59 else None
        ),
        {(str(_LARGE + row.u), str(row.i)): 1.0 for row in ROWS[:-1]},
        left_out={"missing user": 1},
    ),
    _parquet(
        "p_ts_third.parquet",
        _table(
            {
                "user_id": (lambda row: row.u, pa.int64()),
                "course_id": (lambda row: row.i, pa.int64()),
                "ts": (lambda row: row.seconds, pa.int64()),
            }
        ),
        entries(same, same),
        times=True,
    ),
    _parquet(
        "p_hm.parquet",
        _table(
            {
                "customer_id": (lambda row: CUSTOMERS[row.u], pa.string()),
                "t_dat": (lambda row: row.seconds * 10**9, pa.timestamp("ns")),
                "article_id": (lambda row: 100000000 + row.i, pa.int32()),
            }
        ),
        entries(CUSTOMERS.__getitem__, lambda i: 100000000 + i),
        columns={"user": "customer_id", "item": "article_id", "time": "t_dat"},
        times=True,
    ),
    Case("p_spark", _spark, _REVIEWS),
]

FORMATS = [
    *PARQUET,
    Case("frame.feather", lambda path: feather.write_feather(_reviews(), str(path)), _REVIEWS),
    Case(
        "reviews.jsonl",
        _json(lambda r: {"user_id": REVIEWERS[r.u], "business_id": ASINS[r.i], "stars": r.plays}),
        _REVIEWS,
        columns={"item": "business_id", "value": "stars"},
    ),
    Case(
        "reviews_json.txt",
        _json(lambda row: {"u": REVIEWERS[row.u], "i": ASINS[row.i]}),
        None,
        said={"user": "u", "item": "i"},
        told=entries(REVIEWERS.__getitem__, ASINS.__getitem__),
    ),
    Case(
        "plays.mtx",
        lines(
            "{u1} {i1} {plays}",
            "%%MatrixMarket matrix coordinate integer general\n% made up\n12 15 60\n",
        ),
        entries(one, one, plays),
    ),
    Case("lgcn", _lightgcn, _of(_FIRST_FOUR), held_out=12),
    Case("train.txt", lambda path: _lists(path, 0, 4), _of(_FIRST_FOUR)),
    Case("triples_folder", _triples, _of([r for r in ROWS if r.place % 5], plays), held_out=12),
]
