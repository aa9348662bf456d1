"""Read columns of integers from a dump's text: plain lines by compiled code, the others in Python.

A plain line is digits, one separator, digits, and so on. `halfstep.datasets.text.line.parse` reads
every other line, and says what is wrong with it unless it is good after all ("5.0", two blanks).
Blocks of 8 MiB are parsed on all cores while the next ones are read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from halfstep.datasets.text.bad_lines import MalformedLines
from halfstep.datasets.text.kernels import parse_integers
from halfstep.datasets.text.line import Kind, Layout, parse, split
from halfstep.kernels.cpu.threads import cores

_SMALLEST = {"id": 0, "count": 1}


@dataclass
class Block:
    """The parsed lines of one block."""

    columns: NDArray[Any]  # (fields, rows)
    bad: list[tuple[str, int, str]] = field(default_factory=list)  # kind, line, its text


def read_integers(
    blocks: Iterator[tuple[int, bytes]],
    kinds: Sequence[Kind],
    separator: str,
    lines: MalformedLines,
) -> list[NDArray[Any]]:
    """Return one array for each field, int32 where it fits; `kinds` are "id" and "count" only.

    Parameters
    ----------
    blocks
        (number of the first line, whole lines), as from `halfstep.datasets.text.blocks.cut`.
    lines
        Gets every line that is left out, and the number of good lines.
    """
    layout = Layout(kinds, separator)
    parsed = list(on_all_cores(blocks, lambda block: parse_block(*block, layout)))
    for block in parsed:
        for kind, line, text in block.bad:
            lines.add(kind, line, text)
    columns = []
    for place in range(len(kinds)):
        columns.append(_joined([block.columns[place] for block in parsed]))
    lines.good = len(columns[0])
    return columns


def on_all_cores(
    blocks: Iterator[tuple[int, bytes]], work: Callable[[tuple[int, bytes]], Any]
) -> Iterator[Any]:
    """Yield `work(block)` in order; threads compute a few blocks ahead of the caller."""
    threads = cores(0)
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for block in blocks:
            waiting.append(pool.submit(work, block))
            if len(waiting) > threads + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def parse_block(first_line: int, block: bytes, layout: Layout) -> Block:
    """Parse whole lines; `layout.separator` is one character."""
    text = np.frombuffer(block, np.uint8)
    smallest = np.array([_SMALLEST[kind] for kind in layout.kinds], np.int64)
    room = block.count(b"\n") + 1
    values = np.empty((len(smallest), room), np.int64)
    odd = np.empty(room, np.bool_)
    starts = np.empty(room + 1, np.int64)
    count = parse_integers(text, ord(layout.separator), smallest, values, odd, starts)
    unusual = np.flatnonzero(odd[:count])
    if len(unusual) == 0:
        return Block(_narrow(values[:, :count]))
    rows: list[list[int]] = []
    places: list[int] = []
    bad: list[tuple[str, int, str]] = []
    for place in unusual.tolist():
        # `splitlines` also ends a line at a lone carriage return; the compiled parser does not.
        for raw in block[starts[place] : starts[place + 1]].splitlines():
            line = raw.decode("utf-8", "replace")
            problem, numbers = parse(split(line, layout), layout.kinds)
            if problem:
                bad.append((problem, first_line + place, line))
            else:
                rows.append(numbers)
                places.append(place)
    plain = ~odd[:count]
    before = np.concatenate([[0], np.cumsum(plain)])[places]
    mended = np.array(rows, np.int64).reshape(-1, len(smallest)).T
    return Block(_narrow(np.insert(values[:, :count][:, plain], before, mended, axis=1)), bad)


def _narrow(values: NDArray[np.int64]) -> NDArray[Any]:
    """Return int32 where all of it fits; 8 MiB of text are 20 MiB as int64."""
    fits = values.size == 0 or int(values.max()) <= np.iinfo(np.int32).max
    return values.astype(np.int32) if fits else values.copy()


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, np.int32)
