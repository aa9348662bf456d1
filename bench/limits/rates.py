"""What this machine can do at best: float32 products, copies, and gathers of rows.

A rate is the median of several runs, by the seconds that the threads ran on a processor, as the phases
of an iteration are measured. Gathers are measured with the loads and prefetches that the solvers' loops
use and next to no arithmetic: each gathered row is added to one sum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.blas import blas_threads
from halfstep.kernels import phases
from halfstep.kernels.cpu.compile import compiled
from halfstep.kernels.cpu.threads import spread
from halfstep.kernels.cpu.vectors import add, address, item, lanes, load, prefetch, store, width

_SIDE = 1024
_PIECE = 1 << 14  # gathered rows that a thread takes at a time
_AHEAD = (16, 64)  # rows between a prefetch and its use; the better one counts


def products(threads: int) -> float:
    """Return the operations per second of float32 products on all cores, one product each at a time."""
    A = np.random.default_rng(0).random((_SIDE, _SIDE), np.float32)

    def run(_: int, out: Any) -> None:
        np.matmul(A, A, out=out)
        phases.lap(phases.SOLVE)

    with blas_threads(1):
        seconds = _timed(
            lambda: spread(range(4 * threads), threads, lambda: np.empty_like(A), run), threads
        )
    return 4 * threads * 2 * _SIDE**3 / seconds


def copy(size: int, threads: int) -> float:
    """Return the bytes per second, read and written, of copying an array of `size` bytes."""
    source = np.ones(max(1, size // 4), np.float32)
    target = np.zeros_like(source)
    step = max(1 << 12, min(1 << 18, -(-len(source) // (4 * threads))))

    def run(start: int, _: None) -> None:
        target[start : start + step] = source[start : start + step]
        phases.lap(phases.SOLVE)

    times = max(1, (1 << 26) // max(1, source.nbytes))
    tasks = [start for _ in range(times) for start in range(0, len(source), step)]
    seconds = _timed(lambda: spread(tasks, threads, lambda: None, run), threads)
    return 2 * times * source.nbytes / seconds


def gather(indices: npt.NDArray[np.int32], table: npt.NDArray[np.float32], threads: int) -> float:
    """Return the seconds of reading the rows of `table` at `indices`, in this order, on all threads.

    `table` (rows, width) starts at a cache line; its width is a multiple of a vector.
    """
    best = np.inf
    for ahead in _AHEAD:

        def run(first: int, total: Any, ahead: int = ahead) -> None:
            gather_rows(indices, first, min(first + _PIECE, len(indices)), table, ahead, total)
            phases.lap(phases.SOLVE)

        def once(run: Callable[[int, Any], None] = run) -> None:
            tasks = range(0, len(indices), _PIECE)
            spread(tasks, threads, lambda: np.zeros(table.shape[1], np.float32), run)

        best = min(best, _timed(once, threads))
    return best


def random_gather(rows: int, row_bytes: int, count: int, threads: int) -> float:
    """Return the bytes per second of reading `count` rows of a table at random places."""
    indices = np.random.default_rng(0).integers(0, rows, count, dtype=np.int32)
    return count * row_bytes / gather(indices, table_of(rows, row_bytes), threads)


def table_of(rows: int, row_bytes: int) -> npt.NDArray[np.float32]:
    """Return a table of ones that starts at a cache line; rows are padded to whole vectors."""
    words = -(-row_bytes // 4 // lanes(4)) * lanes(4)
    room = np.ones(rows * words + 16, np.float32)
    skip = -room.ctypes.data % 64 // 4
    return room[skip : skip + rows * words].reshape(rows, words)


def _timed(work: Callable[[], Any], threads: int, times: int = 5) -> float:
    """Return the median seconds of `work`, the threads' mean, after one call that is not counted.

    `work` spreads tasks that end with a lap of the phase SOLVE.
    """
    work()
    seconds = []
    for _ in range(times):
        with phases.recorded() as recording:
            work()
            seconds.append(recording.taken()[phases.SOLVE].busy / threads)
    return float(np.median(seconds))


@compiled
def gather_rows(indices: Any, first: int, stop: int, table: Any, ahead: int, total: Any) -> None:
    """Add the rows of `table` at `indices[first:stop]` to `total` (width,), eight at a time."""
    index, rows, sums = address(indices), address(table), address(total)
    f, end, V = table.shape[1], len(indices) - 1, width(sums)
    e = first
    while e + 8 <= stop:
        for a in range(8):
            row = item(index, min(e + ahead + a, end)) * f
            for k in range(row, row + f, 16):
                prefetch(rows, k)
        r0, r1 = item(index, e) * f, item(index, e + 1) * f
        r2, r3 = item(index, e + 2) * f, item(index, e + 3) * f
        r4, r5 = item(index, e + 4) * f, item(index, e + 5) * f
        r6, r7 = item(index, e + 6) * f, item(index, e + 7) * f
        for k in range(0, f, V):
            a = add(load(rows, r0 + k), load(rows, r1 + k))
            b = add(load(rows, r2 + k), load(rows, r3 + k))
            c = add(load(rows, r4 + k), load(rows, r5 + k))
            d = add(load(rows, r6 + k), load(rows, r7 + k))
            store(sums, k, add(load(sums, k), add(add(a, b), add(c, d))))
        e += 8
    for rest in range(e, stop):
        row = item(index, rest) * f
        for k in range(0, f, V):
            store(sums, k, add(load(sums, k), load(rows, row + k)))
