"""The first round: ids of a piece of the table as places among its distinct ones, by their shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from halfstep.distributed.facts import SIDES
from halfstep.distributed.numbering.bundles import packed, packed_table, write_bundle
from halfstep.distributed.numbering.pieces import FilePiece, normal
from halfstep.distributed.numbering.table import Columns
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError
from halfstep.kernels.sparse.canonical import exact_single

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def codes_name(piece: int) -> str:
    """Return the name of the file of a piece's entries: places of users and items, and values."""
    return f"codes-{piece:06d}"


def distinct_name(side: str, piece: int) -> str:
    """Return the name of the file of a piece's distinct ids, a part for each shard."""
    return f"distinct-{side}-{piece:06d}"


def encode(
    source: FilePiece | pd.DataFrame,
    piece: int,
    columns: Columns,
    kinds: dict[str, str],
    folder: Folder,
    shards: int,
) -> int:
    """Write what the later rounds need of a piece of the table; return its rows."""
    import pyarrow as pa

    if isinstance(source, FilePiece):
        table = source.read()
    else:
        try:
            part = pa.Table.from_pandas(source, preserve_index=False)
        except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
            raise InputError(f"the dataframe must have ids of one type: {error}") from None
        table = normal(part, columns, kinds)
    found: dict[str, npt.NDArray[np.int32]] = {}
    for side in SIDES:
        codes, ids = encoded(table[columns.of(side)], columns.of(side))
        shard = shard_of(ids, shards)
        order = np.argsort(shard, kind="stable")
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        found[side] = place[codes]
        counts = np.bincount(codes, minlength=len(ids))
        sorted_ids = pa.table({"id": ids.take(pa.array(order)), "count": counts[order]})
        cuts = np.searchsorted(shard[order], np.arange(shards + 1))
        parts = [
            packed_table(sorted_ids.slice(first, stop - first)) if first < stop else b""
            for first, stop in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)
        ]
        write_bundle(folder, distinct_name(side, piece), parts)
    values = values_of(table, columns)
    single = exact_single(values)
    arrays = found["user"], found["item"], values if single is None else single
    write_bundle(folder, codes_name(piece), [packed(*arrays)])
    return len(values)


def encoded(column: pa.ChunkedArray, name: str) -> tuple[npt.NDArray[np.int32], Any]:
    """Return a column of ids as places (n,) among the distinct ones, and these as an Arrow array."""
    if column.null_count:
        raise InputError(
            f"column {name!r} must have an id in each row, {column.null_count} are missing"
        )
    # In this order: chunks of texts together may have more bytes than an array of them holds.
    coded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    codes: npt.NDArray[np.int32] = coded.indices.to_numpy()
    return codes, coded.dictionary


def shard_of(ids: pa.Array, shards: int) -> npt.NDArray[np.int64]:
    """Return the shard that each id is hashed to, on any machine alike: (n,)."""
    import pandas as pd

    hashed = pd.util.hash_array(ids.to_numpy(zero_copy_only=False), categorize=False)
    shard: npt.NDArray[np.int64] = (hashed % np.uint64(shards)).astype(np.int64)
    return shard


def values_of(table: pa.Table, columns: Columns) -> npt.NDArray[np.float64]:
    """Return the checked values of a piece of the table, (n,)."""
    if columns.value is None:
        return np.ones(table.num_rows)
    values = table[columns.value].to_numpy()
    bad = ~((values >= 0) & (values < np.inf))
    if bad.any():
        at = int(np.argmax(bad))
        got = "no value" if table[columns.value][at].as_py() is None else values[at]
        user, item = (table[columns.of(side)][at].as_py() for side in SIDES)
        raise InputError(
            f"column {columns.value!r} must be numbers of at least 0, got {got} for "
            f"{columns.user} {user}, {columns.item} {item}"
        )
    checked: npt.NDArray[np.float64] = values
    return checked
