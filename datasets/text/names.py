"""Read item names from a tab-separated file of unknown encoding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.text.bad_lines import MalformedLines
from halfstep.datasets.text.blocks import blocks
from halfstep.datasets.text.kernels import find_names
from halfstep.datasets.text.line import integer


def read_item_names(
    path: Path, ids: NDArray[Any], *, fields: int = 2, header: bool = False
) -> tuple[NDArray[Any], dict[str, dict[str, int]]]:
    """Read lines `id TAB name`, with further fields after the name where `fields` is above 2.

    Quotes have no special meaning, and the last field may contain tabs.

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


def read_names(
    blocks: Iterator[tuple[int, bytes]], ids: NDArray[np.int64], lines: MalformedLines
) -> NDArray[Any]:
    """Return the name of each of `ids` (ascending), "" without one, as an object array of str.

    Quotes have no special meaning, and a name may contain tabs. If an id has two lines, the later one
    counts.
    """
    names = np.full(len(ids), "", dtype=object)
    for first_line, block in blocks:
        text = np.frombuffer(block, np.uint8)
        room = block.count(b"\n") + 1
        line_ids, begins = np.empty(room, np.int64), np.empty(room, np.int64)
        starts = np.empty(room + 1, np.int64)
        count = find_names(text, line_ids, begins, starts)
        plain = line_ids[:count] >= 0
        lines.good += int(plain.sum())
        place = np.minimum(np.searchsorted(ids, line_ids[:count]), len(ids) - 1)
        wanted = np.flatnonzero(plain & (ids[place] == line_ids[:count]))
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
    """Read a line that the compiled code could not, into `names` if it is good or else into `lines`."""
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
