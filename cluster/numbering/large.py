"""Numbers for the ids of sides that no worker could hold whole: the entries go to where the ids are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.distributed.facts import SIDES
from halfstep.distributed.numbering.ids import encoded, places_in, read_hashed, shard_of
from halfstep.distributed.numbering.numbers import with_numbers
from halfstep.distributed.numbering.placing import KEY, keys_of, shuffled
from halfstep.distributed.numbering.table import Table
from halfstep.distributed.storage import Folder


def numbered_by_shuffles(
    table: Table, folder: Folder, starts: dict[str, list[int]], large: list[str], shards: int
) -> Any:
    """Return the entries with numbers for ids; those of `large` sides by a shuffle for each."""
    import dask
    import dask.dataframe as dd

    small = [side for side in SIDES if side not in large]
    kinds = dict(table.id_types)
    frame = table.frame.map_partitions(
        with_numbers, table.columns, kinds, folder, starts, small,
        meta=_meta(kinds, large), enforce_metadata=False,
    )  # fmt: skip
    lookup = dask.delayed(with_ids_of, pure=False)
    while large:
        side, *large = large
        keyed = frame.map_partitions(
            keyed_by_hash, side, kinds[side], keys_of(shards),
            meta=_meta(kinds, [side, *large], key=True), enforce_metadata=False,
        )  # fmt: skip
        new = [
            lookup(part, folder, side, kinds[side], starts[side], k)
            for k, part in enumerate(shuffled(keyed, shards))
        ]
        frame = dd.from_delayed(new, meta=_meta(kinds, large), verify_meta=False)
    return frame


def _meta(kinds: dict[str, str], with_ids: list[str], key: bool = False) -> Any:
    import pandas as pd

    types = {"int64": "int64", "string": "string[pyarrow]"}
    columns: dict[str, Any] = {
        side: pd.Series([], dtype=types[kinds[side]] if side in with_ids else "int64")
        for side in SIDES
    }
    columns["value"] = np.empty(0)
    if key:
        columns[KEY] = np.empty(0, np.int64)
    return pd.DataFrame(columns)


def keyed_by_hash(part: Any, side: str, kind: str, keys: npt.NDArray[np.int64]) -> Any:
    """Return rows with the key of the hash shard of each one's id."""
    codes, ids = encoded(part[side], side, kind)
    return part.assign(**{KEY: keys[shard_of(ids, len(keys))][codes]})


def with_ids_of(
    part: Any, folder: Folder, side: str, kind: str, starts: list[int], shard: int
) -> Any:
    """Return the rows of a hash shard with numbers in place of ids."""
    codes, ids = encoded(part[side], side, kind)
    numbers = starts[shard] + places_in(ids, read_hashed(folder, side, shard), kind)
    return part.assign(**{side: numbers[codes]})[["user", "item", "value"]]
