"""The columns of a text table that have a role, as they were read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class Columns:
    """What was read of a text table.

    Attributes
    ----------
    arrays : dict
        For each role, a `pyarrow.ChunkedArray`: ids and names as integers or as dictionaries of strings,
        values and times as numbers or strings.
    rows : int
        Rows, with the bad ones.
    bad : dict
        Line numbers of bad lines, by reason.
    lines : ndarray or None
        The line number of each good row; None if they cannot be told.
    """

    arrays: dict[str, Any]
    rows: int
    bad: dict[str, list[int]] = field(default_factory=dict)
    lines: NDArray[np.int64] | None = None
