"""Recommend items to all users, a Parquet file for each shard of them, or to a few by their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.distributed.ids import arrow_type, ids_at, ids_of_shard, required
from halfstep.distributed.model import kept
from halfstep.distributed.model.factor_files import read_factors
from halfstep.distributed.model.histories import read_histories, together
from halfstep.distributed.model.ranking import Lists, groups, rank_items
from halfstep.distributed.model.record import Record
from halfstep.distributed.storage import Folder
from halfstep.distributed.tasks import over_shards
from halfstep.errors import InputError
from halfstep.solvers.inputs import check_integers

if TYPE_CHECKING:
    import pyarrow as pa

_STEM = "recommendations"
# Places of lists that are written at once, a row group of the file.
_TOGETHER = 1 << 20


class Written(NamedTuple):
    """What the files of lists hold: users with a list, rows, and lists of fewer than N items."""

    users: int
    rows: int
    short: int


def recommend_all(
    folder: Folder,
    record: Record,
    target: Folder,
    N: int,
    *,
    client: Any = None,
    filter_already_liked_items: bool = True,
    items: Any = None,
    num_threads: int = 0,
    show_progress: bool = True,
) -> Written:
    """Write the lists of all users; see `ShardedModel.recommend_all`."""
    check_integers({"N": N}, N=1)
    among = _among(folder, record, items)
    for name in target.names(f"{_STEM}-"):
        shard = name.removeprefix(f"{_STEM}-").removesuffix(".parquet")
        if shard.isdecimal() and int(shard) >= record.facts.shards:
            target.remove(name)  # of a model of more shards
    tasks = [
        (folder, record, target, shards, int(N), filter_already_liked_items, among)
        for shards in groups(record.facts)
    ]
    written = over_shards(
        client,
        write_lists,
        tasks,
        f"lists of {N}",
        num_threads=num_threads,
        show_progress=show_progress,
        forget=kept.forget,
    )
    return Written(*map(sum, zip(*written, strict=True)))


def write_lists(
    folder: Folder,
    record: Record,
    target: Folder,
    shards: tuple[int, ...],
    N: int,
    liked: bool,
    among: npt.NDArray[np.int64] | None,
    *,
    num_threads: int = 0,
) -> Written:
    """Rank for the users of `shards` and write one file for each shard, whole or not at all."""
    facts = record.facts
    X = np.concatenate([read_factors(folder, record.files["user"][shard]) for shard in shards])
    histories = None
    if liked:
        histories = together([read_histories(folder, facts, shard) for shard in shards])
    lists = rank_items(folder, record, X, histories, N, among=among, num_threads=num_threads)
    del X, histories
    first = facts.starts["user"][shards[0]]
    totals = np.zeros(3, np.int64)
    for shard in shards:
        start, stop = (end - first for end in facts.starts["user"][shard : shard + 2])
        own = lists.of(start, stop)
        totals += _write_shard(folder, record, target, shard, own, N)
    return Written(*totals.tolist())


def recommend(
    folder: Folder,
    record: Record,
    user_ids: Any,
    N: int,
    *,
    filter_already_liked_items: bool = True,
    items: Any = None,
) -> pa.Table:
    """Return the lists of a few users by their ids; see `ShardedModel.recommend`."""
    import pyarrow as pa

    check_integers({"N": N}, N=1)
    facts = record.facts
    _, numbers = required(folder, facts, "user", user_ids)
    among = _among(folder, record, items)
    shards = np.searchsorted(facts.starts["user"], numbers, side="right") - 1
    vectors, histories = np.empty((len(numbers), record.factors), record.dtype), []
    order = np.argsort(shards, kind="stable")
    for shard in np.unique(shards).tolist():
        asked = np.flatnonzero(shards == shard)
        rows = numbers[asked] - facts.starts["user"][shard]
        vectors[asked] = read_factors(folder, record.files["user"][shard])[rows]
        if filter_already_liked_items:
            histories.append(read_histories(folder, facts, shard).rows(rows))
    liked = together(histories).rows(np.argsort(order)) if histories else None
    settings = {"among": among, "few": False, "num_threads": record.settings.get("num_threads", 0)}
    lists = rank_items(folder, record, vectors, liked, int(N), **settings)
    ids = ids_at(folder, facts, "user", numbers)
    return pa.Table.from_arrays(_columns(folder, record, ids, lists), schema=schema(record))


def schema(record: Record) -> pa.Schema:
    """Return the columns of the lists: user and item by their ids, score, and rank from 1."""
    import pyarrow as pa

    return pa.schema(
        [
            ("user", arrow_type(record.facts, "user")),
            ("item", arrow_type(record.facts, "item")),
            ("score", pa.from_numpy_dtype(record.dtype)),
            ("rank", pa.int32()),
        ]
    )


def _among(folder: Folder, record: Record, items: Any) -> npt.NDArray[np.int64] | None:
    """Return the rising numbers of the items that a caller gives by their ids."""
    if items is None:
        return None
    numbers = np.unique(required(folder, record.facts, "item", items)[1])
    if not len(numbers):
        raise InputError(
            "items must have at least one id, got none: leave it out to choose among all"
        )
    return numbers


def _write_shard(
    folder: Folder, record: Record, target: Folder, shard: int, lists: Lists, N: int
) -> npt.NDArray[np.int64]:
    """Write the lists of a shard's users, and return the numbers of `Written`."""
    import pyarrow as pa
    from pyarrow import parquet

    ids = ids_of_shard(folder, record.facts, "user", shard).combine_chunks()
    columns = schema(record)
    step = max(1, _TOGETHER // max(1, lists.items.shape[1]))
    with (
        target.writing(f"{_STEM}-{shard:05d}.parquet") as stream,
        parquet.ParquetWriter(stream, columns) as writer,
    ):
        for start in range(0, len(ids), step):
            part = lists.of(start, start + step)
            arrays = _columns(folder, record, ids[start : start + step], part)
            writer.write_table(pa.Table.from_arrays(arrays, schema=columns))
    counts = (lists.items >= 0).sum(axis=1)
    wanted = min(N, record.facts.rows("item"))
    return np.array([(counts > 0).sum(), counts.sum(), ((counts > 0) & (counts < wanted)).sum()])


def _columns(folder: Folder, record: Record, users: Any, lists: Lists) -> list[Any]:
    """Return the columns of `schema` of the lists of `users` (n,), an Arrow array of ids."""
    import pyarrow as pa

    there = lists.items >= 0
    owners = np.repeat(np.arange(len(lists.items)), there.sum(axis=1))
    ranks = np.broadcast_to(
        np.arange(1, lists.items.shape[1] + 1, dtype=np.int32), lists.items.shape
    )
    return [
        users.take(pa.array(owners)),
        ids_at(folder, record.facts, "item", lists.items[there]),
        pa.array(lists.scores[there]),
        pa.array(ranks[there]),
    ]
