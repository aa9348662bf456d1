"""Held-out quality of a sharded model: the numbers of `halfstep.evaluation`, shard by shard.

Each task ranks the catalogue for the users of a shard, and returns what each user got; the driver puts
these together. All numbers of a user need this user's scores alone, so they are those of one process;
of the coverage, a task returns which items its lists have.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from halfstep.distributed.ids import ids_at
from halfstep.distributed.model import kept
from halfstep.distributed.model.factor_files import read_factors
from halfstep.distributed.model.held_out import HeldOutFiles, files_of, held_out_of, matrix_of
from halfstep.distributed.model.histories import read_histories
from halfstep.distributed.model.record import Record
from halfstep.distributed.storage import Folder
from halfstep.distributed.tasks import over_shards
from halfstep.errors import InputError, NotEnoughMemory
from halfstep.evaluation.metrics.held_out import Evaluation, PerUser, top_k_metrics
from halfstep.evaluation.metrics.inputs import whole_number
from halfstep.evaluation.metrics.judged import (
    OVERLAPS,
    Overlap,
    checked_value,
    judged,
    shared_entries,
)
from halfstep.evaluation.metrics.ranking import rank
from halfstep.evaluation.metrics.ties import expected_hits
from halfstep.memory import gigabytes
from halfstep.plural import counted

log = logging.getLogger("halfstep")

METRICS = ("precision", "recall", "recall_capped", "ndcg", "map", "hit_rate", "auc")
# The size of the copy of the item factors in the order that the product reads, as in one process.
_BLOCK_BYTES = 256 * 2**20


class Wanted(NamedTuple):
    """What an evaluation asks for; `metrics` are names of `METRICS`."""

    k: int
    metrics: tuple[str, ...]
    min_value: float | None
    overlap: Overlap


class Part(NamedTuple):
    """What the users of a shard got.

    Attributes
    ----------
    users
        (evaluated,) their numbers.
    per_user
        As in `Evaluation`.
    has_history
        (evaluated,) bool.
    listed
        Packed bits of the items in some list, of the users with a history and of those without.
    not_relevant
        Held-out entries left out for their value.
    rows, unknown
        Of files: see `HeldOut`.
    highest
        The highest of the values left out.
    """

    users: npt.NDArray[np.int64]
    per_user: PerUser
    has_history: npt.NDArray[np.bool_]
    listed: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
    not_relevant: int
    rows: int
    unknown: int
    highest: float


def evaluate(
    folder: Folder,
    record: Record,
    test: Any,
    wanted: Wanted,
    *,
    columns: dict[str, str | int | None],
    client: Any = None,
    target: Folder | None = None,
    num_threads: int = 0,
    show_progress: bool = True,
) -> Evaluation:
    """Return the evaluation of all users; see `ShardedModel.evaluate`."""
    facts = record.facts
    k = whole_number("k", wanted.k, least=1)
    if wanted.overlap not in OVERLAPS:
        raise InputError(f"overlap must be one of {', '.join(OVERLAPS)}, got {wanted.overlap!r}")
    wanted = wanted._replace(k=k, min_value=checked_value(wanted.min_value))
    if not wanted.metrics or set(wanted.metrics) - set(METRICS):
        raise InputError(f"metrics must be some of {', '.join(METRICS)}, got {wanted.metrics}")
    parts: Sequence[Any]
    total = 0
    if isinstance(test, str | list | tuple) or hasattr(test, "__fspath__"):
        first = test[0] if isinstance(test, list | tuple) and test else test
        files = files_of(facts, test, folder.options_for(first), **columns)
        total = files.rows()
        parts = [files] * facts.shards
    else:
        matrix, starts = matrix_of(facts, test), facts.starts["user"]
        parts = [matrix[start:stop] for start, stop in itertools.pairwise(starts)]
    tasks = [(folder, record, shard, part, wanted, target) for shard, part in enumerate(parts)]
    results = over_shards(
        client, evaluate_shard, tasks, "users evaluated", num_threads=num_threads,
        show_progress=show_progress, forget=kept.forget,
    )  # fmt: skip
    _say_unknown(results, total)
    return _together(results, wanted, facts.rows("item"))


def evaluate_shard(
    folder: Folder,
    record: Record,
    shard: int,
    test: csr_matrix | HeldOutFiles,
    wanted: Wanted,
    target: Folder | None,
    *,
    num_threads: int = 0,
) -> Part:
    """Evaluate the users of a shard, and write what each got to a file if `target` is given."""
    facts = record.facts
    read, unknown = 0, 0
    if isinstance(test, HeldOutFiles):
        test, read, unknown = held_out_of(folder, facts, test, [shard])
    histories = read_histories(folder, facts, shard).within(0, facts.rows("item"))
    first = facts.starts["user"][shard]
    if wanted.overlap == "error":
        _check_overlap(folder, record, histories, test, first)
    seen, held_out, ignored, has_history = judged(
        histories, test, wanted.min_value, "keep" if wanted.overlap == "keep" else "drop"
    )
    rows = np.flatnonzero(np.diff(held_out.indptr)).astype(np.int64)
    known = has_history[rows]
    per_user: PerUser = {}
    bits = [np.zeros(facts.rows("item"), bool) for _ in range(2)]
    if len(rows):
        Y = _items(folder, record)
        X = read_factors(folder, record.files["user"][shard])
        ranking = rank(
            X, Y, seen, held_out, rows, k=wanted.k, auc="auc" in wanted.metrics,
            block_bytes=_BLOCK_BYTES, num_threads=num_threads,
        )  # fmt: skip
        counts = np.diff(held_out.indptr)[rows]
        measured = top_k_metrics(expected_hits(ranking.hits, ranking.ties), counts)
        measured["auc"] = ranking.areas
        per_user = {name: measured[name] for name in _names(wanted)}
        for listed, chosen in zip(bits, (known, ~known), strict=True):
            top = ranking.top[chosen]
            listed[top[top >= 0]] = True
    users = first + rows
    if target is not None:
        _write(folder, record, target, shard, users, known, per_user, wanted)
    packed = (np.packbits(bits[0]), np.packbits(bits[1]))
    highest = float(ignored.data.max(initial=-np.inf))
    return Part(users, per_user, known, packed, ignored.nnz, read, unknown, highest)


def _items(folder: Folder, record: Record) -> Any:
    items = kept.items_of(folder, record)
    if items is None:
        raise NotEnoughMemory(
            f"evaluate needs all item factors, {gigabytes(record.bytes_of('item'))}, and they may take "
            f"{kept.SHARE:.0%} of the memory that is free, {gigabytes(kept.memory() or 0)}: take "
            "workers with more memory"
        )
    return items.array()


def _names(wanted: Wanted) -> list[str]:
    return [
        name if name == "auc" else f"{name}@{wanted.k}"
        for name in METRICS
        if name in wanted.metrics
    ]


def _check_overlap(
    folder: Folder, record: Record, train: csr_matrix, test: csr_matrix, first: int
) -> None:
    both = shared_entries(train, test)
    if not both.any():
        return
    at = np.flatnonzero(both)[0]
    user = first + int(np.searchsorted(test.indptr, at, side="right")) - 1
    numbers = {"user": user, "item": int(test.indices[at])}
    ids = {
        side: ids_at(folder, record.facts, side, np.array([number]))[0].as_py()
        for side, number in numbers.items()
    }
    raise InputError(
        f"test must share no entry with the data of the fit, got {both.sum():,} in one shard, first "
        f"user {ids['user']!r} with item {ids['item']!r}: give overlap='drop' or 'keep' (--overlap)"
    )


def _write(
    folder: Folder,
    record: Record,
    target: Folder,
    shard: int,
    users: npt.NDArray[np.int64],
    known: npt.NDArray[np.bool_],
    per_user: PerUser,
    wanted: Wanted,
) -> None:
    """Write user, has_history and a column for each metric of a shard's evaluated users."""
    import pyarrow as pa
    from pyarrow import parquet

    columns = {
        "user": ids_at(folder, record.facts, "user", users),
        "has_history": pa.array(known),
        **{name: pa.array(per_user.get(name, np.empty(0))) for name in _names(wanted)},
    }
    with target.writing(f"per-user-{shard:05d}.parquet") as stream:
        parquet.write_table(pa.table(columns), stream)


def _say_unknown(parts: list[Part], total: int) -> None:
    """Log how many rows of the files have users or items that the model does not know."""
    if not total:
        return
    of_nobody = total - sum(part.rows for part in parts)
    of_nothing = sum(part.unknown for part in parts)
    if of_nobody + of_nothing == total:
        raise InputError(
            f"test must have users and items of the fit's data, got {counted(total, 'rows')}: the users "
            f"of {of_nobody:,} are not known, nor the items of {of_nothing:,} of the others"
        )
    if of_nobody or of_nothing:
        log.warning(
            "test: %s left out, of users that the model does not know, and %s, of items",
            counted(of_nobody, "rows"), counted(of_nothing, "rows"),
        )  # fmt: skip


def _together(parts: list[Part], wanted: Wanted, items: int) -> Evaluation:
    """Return the evaluation of all users from those of the shards."""
    users = np.concatenate([part.users for part in parts])
    left_out = sum(part.not_relevant for part in parts)
    if not len(users):
        least = "above 0" if wanted.min_value is None else f"from {wanted.min_value:g} on"
        highest = max(part.highest for part in parts)
        more = f", the highest value is {highest:g}" if left_out else ""
        raise InputError(
            f"test must hold out an entry with a value {least} of a user, got none{more}"
        )
    known = np.concatenate([part.has_history for part in parts])
    with_users = [part for part in parts if len(part.users)]
    per_user = {
        name: np.concatenate([part.per_user[name] for part in with_users])
        for name in _names(wanted)
    }

    def of(chosen: Any, groups: Sequence[int], **more: Any) -> Evaluation:
        bits = np.bitwise_or.reduce([part.listed[group] for part in parts for group in groups])
        coverage = float(np.unpackbits(bits, count=items).mean())
        measured = {name: values[chosen] for name, values in per_user.items()}
        return Evaluation(users[chosen], measured, {wanted.k: coverage}, **more)

    if known.all() or not known.any():
        return of(slice(None), (0, 1), not_relevant=left_out)
    return of(known, (0,), without_history=of(~known, (1,)), not_relevant=left_out)
