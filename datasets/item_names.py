"""Item names from a tab-separated file whose encoding nobody promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.fields import integer
from halfstep.datasets.malformed import MalformedLines
from halfstep.datasets.textfile import blocks


def read_item_names(
    path: Path, ids: NDArray[Any], *, fields: int = 2, header: bool = False
) -> tuple[NDArray[Any], dict[str, dict[str, int]]]:
    """Read lines `id TAB name`, with further fields after the name where `fields` is above 2.

    Quotes mean themselves, and the last field may hold tabs.

    Returns
    -------
    names : ndarray
        Object array of str, shape (len(ids),); "" for an id without a name.
    malformed : dict
        As from `MalformedLines.report`.
    """
    lines = MalformedLines(path)
    wanted = {identifier: index for index, identifier in enumerate(ids.tolist())}
    names = np.full(len(ids), "", dtype=object)
    for first_line, block in blocks(path):
        for line, raw in enumerate(block.splitlines(), start=first_line):
            if line == 1 and header:
                continue
            parts = decode(raw).split("\t", fields - 1)
            number = integer(parts[0])
            if len(parts) < fields:
                lines.add("missing fields" if raw.strip() else "blank line", line)
            elif number is None or number < 0:
                lines.add("id not an integer" if number is None else "negative id", line)
            else:
                lines.good += 1
                if number in wanted:
                    names[wanted[number]] = parts[1].strip()
    return names, lines.report()


def decode(raw: bytes) -> str:
    """Decode UTF-8, or Windows-1252 where a line is not UTF-8 (old dumps mix the two)."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")
