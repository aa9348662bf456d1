"""From the columns of a table to the fields of a data set, by one set of rules for all formats."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.tables.entries import Rows, entries
from halfstep.datasets.tables.ids import MISSING, NEGATIVE, number_ids
from halfstep.datasets.tables.names import item_names
from halfstep.datasets.tables.options import TableOptions
from halfstep.datasets.tables.reading import Reading, too_many
from halfstep.datasets.tables.recency import recency_weights
from halfstep.datasets.tables.times import COUNTER, read_times
from halfstep.datasets.tables.values import NO_NUMBER, REASONS, read_values
from halfstep.errors import InputError

logger = logging.getLogger("halfstep.datasets")
_RULES = {"add": "added", "last": "last kept", "mean": "mean taken"}


def fields(
    name: str,
    columns: Mapping[str, Any],
    reading: Reading,
    options: TableOptions,
    *,
    rating: bool,
    text_ids: frozenset[str] = frozenset(),
    decimal_comma: bool | None = False,
    rows: NDArray[Any] | None = None,
) -> dict[str, Any]:
    """Return the arguments of `Dataset` for the columns of a table, and complete `reading`.

    The parameters and errors are those of `halfstep.datasets.tables.assemble.assemble`.
    """
    count = len(columns["user"])
    reading.rows = reading.rows or count
    account = _Account(reading, count, rows)
    numbered = {}
    for role in ("user", "item"):
        what = account.label(role)
        numbered[role] = number_ids(columns[role], what, role, text=role in text_ids)
        reading.notes += numbered[role].notes
        account.leave_out(numbered[role].places == MISSING, f"missing {role}")
        account.leave_out(numbered[role].places == NEGATIVE, f"negative {role}")
    values = None
    if "value" in columns:
        read = read_values(columns["value"], account.label("value"), decimal_comma=decimal_comma)
        reading.notes += read.notes
        for reason in np.unique(read.wrong[read.wrong > 0]).tolist():
            account.leave_out(read.wrong == reason, REASONS[reason])
        if (read.wrong == NO_NUMBER).any():
            account.no_number = int(np.argmax(read.wrong == NO_NUMBER))
        values = read.numbers
        _judge_negative(values, account, options)
    kept = account.kept
    if not kept.any():
        raise InputError(
            f"{account.file}: no row is left{account.summary()}{account.example(columns)}"
        )
    strange = reading.left_out.get(REASONS[NO_NUMBER], 0)
    if too_many(strange, count) and not options.allow_bad_lines:
        raise InputError(
            f"{account.label('value')}: {strange} of {count} values are no numbers"
            f"{account.example(columns)}; name another column with --value-column (in Python value=), "
            "or leave these rows out with --allow-bad-lines (allow_bad_lines=True)"
        )
    times = None
    if "time" in columns:
        times, notes = read_times(columns["time"], account.label("time"))
        reading.notes += notes
        unknown = int(np.isnan(times[kept]).sum())
        if unknown:
            reading.notes.append(f"{unknown} of {int(kept.sum())} times are not known")
        times = None if unknown == int(kept.sum()) else times
    weights = None
    if options.half_life is not None:
        weights = _weights(times, kept, options.half_life, account, rating or options.ratings)
        if COUNTER in reading.notes:
            raise InputError(
                f"{account.label('time')}: --half-life needs times, and the column holds a counter"
            )
    everything = bool(kept.all())
    chosen: Any = slice(None) if everything else kept
    users, user_ids = _compact(numbered["user"].places[chosen], numbered["user"].ids)
    items, item_ids = _compact(numbered["item"].places[chosen], numbered["item"].ids)
    rule = options.duplicates or ("last" if rating or options.ratings else "add")
    if weights is not None:
        values = (1.0 if values is None else values) * weights
    used = Rows(
        users,
        items,
        None if values is None else values[chosen],
        None if times is None else times[chosen],
    )
    matrix, entry_times = entries(used, (len(user_ids), len(item_ids)), rule)
    reading.duplicates = len(users) - int(matrix.nnz)
    reading.duplicates_rule = _RULES[rule]
    names = None
    if "name" in columns:
        places = np.full(count, -1, np.int64)
        places[chosen] = items
        names, notes = item_names(places, columns["name"], len(item_ids), account.label("name"))
        reading.notes += notes
    if reading.left_out:
        total = sum(reading.left_out.values())
        rows_word = "row" if total == 1 else "rows"
        logger.warning("%s: %d %s left out%s", account.file, total, rows_word, account.summary())
    provenance = reading.provenance()
    if options.half_life is not None:
        provenance["half_life_days"] = options.half_life
    return {
        "name": name,
        "interactions": matrix,
        "user_ids": user_ids,
        "item_ids": item_ids,
        "item_names": names,
        "times": entry_times,
        "provenance": provenance,
    }


class _Account:
    """Which rows of a table still count; each row that does not is counted once, by its first reason."""

    def __init__(self, reading: Reading, count: int, rows: NDArray[Any] | None) -> None:
        self.reading, self.rows = reading, rows
        self.no_number: int | None = None
        self.kept = np.ones(count, dtype=bool)
        reading.numbered = "row" if rows is None else "line"
        self.file = reading.files[0] if reading.files else reading.format

    def label(self, role: str) -> str:
        """Name a column in an error."""
        column = self.reading.columns.get(role)
        return f"{self.file}: {role} column" + ("" if column is None else f" {column!r}")

    def leave_out(self, wrong: NDArray[np.bool_], reason: str) -> None:
        wrong = wrong & self.kept
        found = np.flatnonzero(wrong)
        if len(found):
            self.reading.leave_out(reason, len(found), self.lines(found[:5]))
            self.kept &= ~wrong

    def example(self, columns: Mapping[str, Any]) -> str:
        """Return the first value that is no number, if there is one, to be added to an error."""
        if self.no_number is None:
            return ""
        return f"; the first that is no number is {columns['value'][self.no_number].as_py()!r}"

    def lines(self, rows: NDArray[np.int64]) -> list[int]:
        """Return the line numbers of rows, or where there are none the numbers of the rows from 1."""
        return [int(n) for n in (rows + 1 if self.rows is None else self.rows[rows])]

    def summary(self) -> str:
        """Return the reasons with their numbers, after a colon, in one line."""
        return f": {self.reading.reasons()}" if self.reading.left_out else ""


def _judge_negative(values: NDArray[Any], account: _Account, options: TableOptions) -> None:
    if options.negative == "keep":
        return
    negative = (values < 0) & account.kept
    if not negative.any():
        return
    if options.negative == "drop":
        account.leave_out(negative, "negative value")
        return
    count, first = int(negative.sum()), int(np.argmax(negative))
    raise InputError(
        f"{account.label('value')}: {count} of {len(values)} values are below 0, the first is "
        f"{values[first]} in {account.reading.numbered} {account.lines(np.array([first]))[0]}; leave "
        "these rows out with --negative drop, or take them as they are with --negative keep (in "
        "Python negative=)"
    )


def _weights(
    times: NDArray[np.float64] | None,
    kept: NDArray[np.bool_],
    half_life: float,
    account: _Account,
    rating: bool,
) -> NDArray[np.float64]:
    """Return the recency weight of each row, 1 for those that are left out."""
    if rating:
        raise InputError(
            f"{account.file}: --half-life (in Python half_life=) lets plays count less, and these "
            "values are ratings, which would become lower ratings"
        )
    if times is None:
        raise InputError(
            f"{account.file}: --half-life needs the time of each row; name the column with "
            "--time-column (in Python time=)"
        )
    weights = np.ones(len(kept))
    weights[kept] = recency_weights(times[kept], half_life)
    return weights


def _compact(places: NDArray[Any], ids: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return places and ids without the ids that do not occur."""
    used = np.zeros(len(ids), dtype=bool)
    used[places] = True
    if used.all():
        return places, ids
    return (np.cumsum(used, dtype=places.dtype) - 1)[places], ids[used]
