"""Numbers in place of ids, in the parts of a table, where a worker can read all ids of a side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.distributed.facts import SIDES
from halfstep.distributed.numbering.ids import encoded, numbers_of
from halfstep.distributed.numbering.placing import KEY
from halfstep.distributed.numbering.table import Columns
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError


def entries_meta(key: bool = False) -> Any:
    """Return an empty frame of numbered entries, with the key of a shard or without."""
    import pandas as pd

    columns: dict[str, Any] = {
        "user": np.empty(0, np.int64), "item": np.empty(0, np.int64), "value": np.empty(0)
    }  # fmt: skip
    return pd.DataFrame(columns | ({KEY: np.empty(0, np.int64)} if key else {}))


def with_numbers(
    part: Any,
    columns: Columns,
    kinds: dict[str, str],
    folder: Folder,
    starts: dict[str, list[int]],
    small: Iterable[str],
) -> Any:
    """Return a part of the table as user, item, value, with numbers for the ids of `small` sides."""
    import pandas as pd

    values = values_of(part, columns)
    found: dict[str, Any] = {}
    for side in SIDES:
        kind, name = kinds[side], columns.of(side)
        codes, ids = encoded(part[name], name, kind)
        if side in small:
            found[side] = numbers_of(ids, folder, side, starts[side], kind)[codes]
        else:
            found[side] = ids.to_pandas().to_numpy()[codes]
    return pd.DataFrame({**found, "value": values})


def values_of(part: Any, columns: Columns) -> npt.NDArray[np.float64]:
    """Return the checked values of a part of the table, (n,)."""
    if columns.value is None:
        return np.ones(len(part))
    values = part[columns.value].to_numpy(np.float64, na_value=np.nan)
    bad = ~((values >= 0) & (values < np.inf))
    if bad.any():
        at = int(np.argmax(bad))
        user, item = (part[name].iloc[at] for name in (columns.user, columns.item))
        raise InputError(
            f"column {columns.value!r} must be numbers of at least 0, got {values[at]} for "
            f"{columns.user} {user}, {columns.item} {item}"
        )
    checked: npt.NDArray[np.float64] = values
    return checked
