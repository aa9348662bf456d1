"""Original ids of a model's rows as Arrow columns: numbers by id, and ids by number, shard by shard."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from halfstep.datasets.matching import as_numbers
from halfstep.distributed.facts import Facts
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa


def ids_of_shard(folder: Folder, facts: Facts, side: str, shard: int) -> pa.ChunkedArray:
    """Return the ids of a shard's rows, in the order of their numbers.

    Raises
    ------
    InputError
        The file is missing, no Parquet, or of another number of rows.
    """
    import pyarrow as pa
    from pyarrow import parquet

    data = folder.child("data")
    name = f"ids/{side}-{shard:05d}.parquet"
    if not data.exists(name):
        raise InputError(
            f"{data.url}/{name} is missing: make the data anew, or copy the folder again"
        )
    try:
        with data.reading(name) as stream:
            column = parquet.read_table(stream, columns=["id"])["id"].cast(arrow_type(facts, side))
    except (pa.ArrowException, KeyError, IndexError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{data.url}/{name} is damaged ({reason}): make the data anew") from None
    rows = facts.starts[side][shard + 1] - facts.starts[side][shard]
    if len(column) != rows:
        raise InputError(f"{data.url}/{name} must have {rows:,} ids, got {len(column):,}")
    return column


def arrow_type(facts: Facts, side: str) -> pa.DataType:
    """Return the type of a side's ids."""
    return arrow_type_of(facts.id_types[side])


def arrow_type_of(kind: str) -> pa.DataType:
    """Return the type of ids that are "int64" or "string"."""
    import pyarrow as pa

    return pa.int64() if kind == "int64" else pa.string()


def numbers_of(
    folder: Folder, facts: Facts, side: str, wanted: pa.Array | pa.ChunkedArray
) -> npt.NDArray[np.int64]:
    """Return the number of each id in `wanted`, of the side's type, or -1 if nobody has it.

    The ids of one shard after the other are read, until all are found.
    """
    from pyarrow import compute

    distinct = compute.unique(wanted)
    numbers = np.full(len(distinct), -1, np.int64)
    left = len(distinct) - distinct.null_count
    for shard in range(facts.shards):
        if left == 0:
            break
        found = compute.index_in(ids_of_shard(folder, facts, side, shard), value_set=distinct)
        places = compute.fill_null(found, -1).to_numpy()
        rows = np.flatnonzero(places >= 0)
        numbers[places[rows]] = facts.starts[side][shard] + rows
        left -= len(rows)
    if distinct.null_count:
        numbers[np.asarray(distinct.is_null())] = -1
    result: Any = numbers[compute.index_in(wanted, value_set=distinct).to_numpy()]
    return np.asarray(result, np.int64)


def required(
    folder: Folder, facts: Facts, side: str, ids: Any
) -> tuple[list[Any], npt.NDArray[np.int64]]:
    """Return the ids that a caller gives, one or several, as a list, and their numbers.

    A number and its text are the same id.

    Raises
    ------
    InputError
        Some are not known; the message names the first of them.
    """
    listed = _listed(ids)
    numbers = numbers_of(folder, facts, side, as_arrow(facts, side, listed))
    unknown = [one for one, number in zip(listed, numbers.tolist(), strict=True) if number < 0]
    if unknown:
        some = ", ".join(map(repr, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
        raise InputError(
            f"{side} ids must be among those of the fit, {len(unknown):,} of {len(listed):,} are not: "
            f"{some} (ids are {facts.id_types[side]})"
        )
    return listed, numbers


def as_arrow(facts: Facts, side: str, ids: list[Any]) -> pa.Array:
    """Return a caller's ids in the type of a side's, null for what cannot be one of them."""
    import pyarrow as pa

    kinds = (str, int, np.integer)
    texts = [
        str(one) if isinstance(one, kinds) and not isinstance(one, bool) else None for one in ids
    ]
    if facts.id_types[side] != "int64":
        return pa.array(texts, pa.string())
    numbers = [None if text is None else as_numbers(np.array([text], object)) for text in texts]
    return pa.array([None if one is None else int(one[0]) for one in numbers], pa.int64())


def ids_at(folder: Folder, facts: Facts, side: str, numbers: npt.NDArray[np.int64]) -> pa.Array:
    """Return the ids of rows by their numbers, (n,); only the shards that have any are read."""
    import pyarrow as pa

    distinct, inverse = np.unique(numbers, return_inverse=True)
    cuts = np.searchsorted(distinct, facts.starts[side])
    parts = [
        ids_of_shard(folder, facts, side, shard).take(
            pa.array(distinct[low:high] - facts.starts[side][shard])
        )
        for shard, (low, high) in enumerate(itertools.pairwise(cuts))
        if low < high
    ]
    chunks = [chunk for part in parts for chunk in part.chunks]
    known = pa.concat_arrays(chunks) if chunks else pa.array([], arrow_type(facts, side))
    return known.take(pa.array(inverse.reshape(-1)))


def _listed(ids: Any) -> list[Any]:
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        return [ids]
    listed = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    return listed if isinstance(listed, list) else [listed]
