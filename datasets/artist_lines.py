"""Names from lines `id TAB name`: compiled search for the ids that are wanted, then only their text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.fields import integer
from halfstep.datasets.item_names import decode
from halfstep.datasets.line_kernels import find_names
from halfstep.datasets.malformed import MalformedLines


def read_names(
    blocks: Iterator[tuple[int, bytes]], ids: NDArray[np.int64], lines: MalformedLines
) -> NDArray[Any]:
    """Return the name of each of `ids` (ascending), "" without one, as an object array of str.

    Quotes mean themselves, and a name may hold tabs. Of two lines with one id the later counts.
    """
    names = np.full(len(ids), "", dtype=object)
    for first_line, block in blocks:
        text = np.frombuffer(block, np.uint8)
        room = block.count(b"\n") + 1
        found, begins = np.empty(room, np.int64), np.empty(room, np.int64)
        starts = np.empty(room + 1, np.int64)
        count = find_names(text, found, begins, starts)
        plain = found[:count] >= 0
        lines.good += int(plain.sum())
        place = np.minimum(np.searchsorted(ids, found[:count]), len(ids) - 1)
        wanted = np.flatnonzero(plain & (ids[place] == found[:count]))
        ends = starts[wanted + 1]
        for at, begin, end in zip(
            place[wanted].tolist(), begins[wanted].tolist(), ends.tolist(), strict=True
        ):
            names[at] = decode(block[begin:end]).strip()
        for line in np.flatnonzero(~plain).tolist():
            _odd(block[starts[line] : starts[line + 1]], first_line + line, ids, names, lines)
    return names


def _odd(
    block: bytes, line: int, ids: NDArray[np.int64], names: NDArray[Any], lines: MalformedLines
) -> None:
    for raw in block.splitlines():
        text = decode(raw)
        first, tab, name = text.partition("\t")
        identifier = integer(first)
        if not tab:
            lines.add("missing fields" if raw.strip() else "blank line", line, text)
        elif identifier is None or identifier < 0:
            lines.add("id not an integer" if identifier is None else "negative id", line, text)
        else:
            lines.good += 1
            place = int(np.searchsorted(ids, identifier))
            if place < len(ids) and ids[place] == identifier:
                names[place] = name.strip()
