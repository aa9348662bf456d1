"""Blocks: a shard's rows of one side as a sparse matrix, whose columns are the rows that it needs.

A block's indices are places among its needed rows, so they fit 32 bits however many rows the other side
has. `halfstep.distributed.numbering` makes blocks from tables, `blocks_of` from a matrix.
"""

from __future__ import annotations

import hashlib
import itertools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.distributed.arrays import digest_of, exact, load_arrays
from halfstep.distributed.facts import Facts
from halfstep.distributed.hubs import (
    Hub,
    hub_limit,
    hub_of,
    load_hub,
    middles_of,
    save_hub,
    without,
)
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError
from halfstep.solvers.gramian import ROWS
from halfstep.solvers.shards import cuts as balanced
from halfstep.types import Integers

_EXACT = 2.0**53  # below it sums of whole numbers are exact, in any order
_INT32 = np.iinfo(np.int32).max


class Block(NamedTuple):
    """A shard's rows of one side.

    Attributes
    ----------
    lengths
        (rows,) int64, the stored entries of each row; 0 for a hub, whose entries are in pieces.
    indices
        (entries,) int32 or int64, places among `needed`, rising in each row.
    values
        (entries,) float32 if that is exact, else float64.
    needed
        int64, rising: the rows of the other side that the entries name.
    """

    lengths: npt.NDArray[np.int64]
    indices: Integers
    values: npt.NDArray[Any]
    needed: npt.NDArray[np.int64]


def build_block(
    rows: Integers,
    columns: Integers,
    values: npt.NDArray[Any],
    first_row: int,
    row_count: int,
    column_count: int | None = None,
) -> Block:
    """Return the block of triples in any order, by numbers of whole sides; duplicates are summed.

    With `column_count`, the rows of the other side, a table takes the place of a search for each entry.
    """
    if column_count is not None and column_count <= 8 * len(columns) + 1024:
        seen = np.zeros(column_count, np.bool_)
        seen[columns] = True
        needed = np.flatnonzero(seen)
        table = np.zeros(column_count, np.int64 if column_count > _INT32 else np.int32)
        table[needed] = np.arange(len(needed), dtype=table.dtype)
        places = table[columns]
    else:
        needed, places = np.unique(columns, return_inverse=True)
        places = places.reshape(-1)
    kind = np.int32 if max(row_count, len(needed)) <= _INT32 else np.int64
    shape = (row_count, max(1, len(needed)))
    where = (rows - first_row).astype(kind), places.astype(kind)
    entries: Any = sparse.coo_array((values.astype(np.float64), where), shape=shape)
    # So that SciPy neither sorts nor sums: two counting sorts leave the columns of each row in order.
    entries.has_canonical_format = True
    return block_of(_summed(entries.tocsc().tocsr()), needed)


def _summed(matrix: Any) -> Any:
    """Return a CSR matrix whose columns rise in each row, with the sums of those that come repeatedly.

    Sums do not depend on the order in which the values came.
    """
    pointers, places, values = matrix.indptr, matrix.indices, matrix.data
    new = np.concatenate([[True], places[1:] != places[:-1]])[: len(places)]
    new[pointers[:-1][np.diff(pointers) > 0]] = True
    if new.all():
        return matrix
    begins = np.flatnonzero(new)
    if (values != np.floor(values)).any() or values.max() >= _EXACT / len(values):
        run = np.cumsum(new)
        again = np.bincount(run)[run] > 1
        order = np.lexsort((values[again], run[again]))
        values[again] = values[again][order]
    ends = np.searchsorted(begins, pointers).astype(pointers.dtype)
    with np.errstate(over="ignore"):
        sums = np.add.reduceat(values, begins)
    if not np.isfinite(sums).all():
        raise InputError("values of one user and item must have a finite sum: some are near 1e308")
    summed = sums, places[begins], ends
    return sparse.csr_array(summed, shape=matrix.shape)


def block_of(matrix: Any, needed: Integers) -> Block:
    """Return the block of a canonical CSR matrix whose columns are the `needed` rows, all of them."""
    kind = np.int32 if len(needed) <= _INT32 else np.int64
    return Block(
        np.diff(matrix.indptr).astype(np.int64),
        matrix.indices.astype(kind, copy=False),
        exact(matrix.data),
        np.asarray(needed, np.int64),
    )


def block_name(side: str, shard: int) -> str:
    """Return the name of a block's file."""
    return f"blocks/{side}-{shard:05d}.npz"


def save_block(folder: Folder, side: str, shard: int, block: Block) -> str:
    """Write a block to its file; return its digest."""
    arrays: Any = block._asdict()
    with folder.writing(block_name(side, shard)) as file:
        np.savez(file, **arrays)
    return digest_of(*block)


def load_block(folder: Folder, side: str, shard: int) -> Block:
    """Read a block.

    Raises
    ------
    InputError
        Its file is missing or damaged.
    """
    return Block(**load_arrays(folder, block_name(side, shard), Block._fields))


def with_hubs(block: Block, hubs: list[Hub], first_row: int) -> Block:
    """Return a block with the entries of its hubs in their rows."""
    if not hubs:
        return block
    rows = np.repeat(np.arange(len(block.lengths)), block.lengths)
    extra = [np.concatenate(hub.numbers) for hub in hubs]
    places = [
        np.full(len(part), hub.row - first_row) for part, hub in zip(extra, hubs, strict=True)
    ]
    return build_block(
        np.concatenate([rows, *places]) + first_row,
        np.concatenate([block.needed[block.indices], *extra]),
        np.concatenate([block.values, *(value for hub in hubs for value in hub.values)]),
        first_row,
        len(block.lengths),
    )


def cuts(lengths: Integers, shards: int) -> list[int]:
    """Return where each shard of rows with so many entries begins, and their number.

    The shards have about as many entries; they begin at multiples of the Gramian's blocks of rows, if
    there are at least two of these for each shard.
    """
    align = ROWS if len(lengths) >= 2 * ROWS * shards else 1
    return balanced(lengths, shards, align)


def group_cuts(pointers: Integers, groups: int) -> list[int]:
    """Return where each group of rows begins, and the number of rows; `pointers` are (rows + 1,).

    The groups have about as many entries.
    """
    inner = np.searchsorted(pointers, pointers[-1] * np.arange(1, groups) / groups)
    return [0, *inner.tolist(), len(pointers) - 1]


def blocks_of(
    matrix: Any,
    shards: int,
    folder: Folder,
    *,
    user_ids: Any = None,
    item_ids: Any = None,
    hub_entries: int | None = None,
) -> Facts:
    """Write the blocks of a matrix that one machine holds: for tests, benchmarks and small data.

    Parameters
    ----------
    matrix
        Sparse (users, items); duplicates are summed.
    folder
        Written to. What is there of other data is removed first.
    user_ids, item_ids
        Integers or texts, (users,) and (items,); None means the numbers of the rows.
    hub_entries
        As `hub_limit` returns it if None.
    """
    folder.remove("facts.json")
    for name in ("blocks", "hubs", "ids"):
        folder.remove(name)
    csr: Any = sparse.csr_matrix(matrix, copy=True)
    csr.sum_duplicates()
    limit = hub_limit(csr.nnz, shards) if hub_entries is None else hub_entries
    digest = hashlib.sha256()
    starts: dict[str, list[int]] = {}
    hubs: dict[str, list[list[int]]] = {}
    middles: dict[str, list[list[int]]] = {}
    types = {}
    for side, whole in (("user", csr), ("item", csr.T.tocsr())):
        whole.sort_indices()
        lengths = np.diff(whole.indptr)
        starts[side] = cuts(lengths, shards)
        hubs[side] = [[int(u), int(lengths[u])] for u in np.flatnonzero(lengths > limit)]
        middles[side] = []
        for u, _ in hubs[side]:
            hub = hub_of(whole, u)
            middles[side].append(middles_of(hub))
            digest.update("".join(save_hub(folder, side, hub)).encode())
        whole = without(whole, [u for u, _ in hubs[side]])
        for k, (first, stop) in enumerate(itertools.pairwise(starts[side])):
            part = whole[first:stop]
            needed, places = np.unique(part.indices, return_inverse=True)
            part.indices = places.reshape(-1).astype(np.int32)
            digest.update(save_block(folder, side, k, block_of(part, needed)).encode())
        ids = {"user": user_ids, "item": item_ids}[side]
        types[side] = save_ids(
            folder, side, starts[side], np.arange(starts[side][-1]) if ids is None else ids
        )
    columns: dict[str, str | None] = {"user": "user", "item": "item", "value": "value"}
    source = {"matrix": list(csr.shape)}
    made = digest.hexdigest(), shards, starts, int(csr.nnz), columns, types, hubs, middles, source
    facts = Facts(*made)
    facts.write(folder)
    return facts


def save_ids(folder: Folder, side: str, starts: list[int], ids: Any) -> str:
    """Write the ids of a side's rows, one file a shard; return their type."""
    import pyarrow as pa
    from pyarrow import parquet

    array = np.asarray(ids)
    whole = pa.array(array.tolist(), pa.int64() if array.dtype.kind in "iu" else pa.string())
    for k, (first, stop) in enumerate(itertools.pairwise(starts)):
        with folder.writing(f"ids/{side}-{k:05d}.parquet") as file:
            parquet.write_table(pa.table({"id": whole[first:stop]}), file)
    return "int64" if array.dtype.kind in "iu" else "string"


def join(folder: Folder) -> Any:
    """Return the matrix (users, items) of the data in a folder, canonical CSR, float64."""
    facts = Facts.read(folder)
    rows: list[Any] = []
    columns: list[Any] = []
    values: list[Any] = []
    for k in range(facts.shards):
        block = load_block(folder, "user", k)
        first = facts.starts["user"][k]
        rows.append(np.repeat(np.arange(len(block.lengths)) + first, block.lengths))
        columns.append(block.needed[block.indices])
        values.append(block.values.astype(np.float64))
    for row, _ in facts.hubs["user"]:
        hub = load_hub(folder, "user", row)
        numbers = np.concatenate(hub.numbers)
        rows.append(np.full(len(numbers), row))
        columns.append(numbers)
        values.append(np.concatenate(hub.values).astype(np.float64))
    shape = facts.rows("user"), facts.rows("item")
    triples = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    matrix: Any = sparse.csr_matrix(triples, shape=shape)
    matrix.sort_indices()
    matrix.has_canonical_format = True
    return matrix
