"""NUMA nodes: the parts of a machine whose cores reach one part of the memory sooner than the rest.

A page of memory lies on the node of the thread that first writes to it. Most of what a half-step reads
is written by the threads that share its work, so it is spread over the nodes without further ado: the
rotated fixed side, the solution, each thread's scratch, the transposed entries. Two things are left to
do where there are several nodes, and neither is done where there is one:

* A worker thread stays on the cores of one node, near to its scratch: `settle`.
* The caller's entries were written by one thread, so they all lie on one node, whose memory would serve
  all cores. `shared_out` copies them in pieces, on all threads.

Neither was measured on more than one node. By count, the entries are 8 bytes each in a half-step, and
the row that each of them gathers is 2 f or 4 f bytes: the copy can gain some per cent at f = 64.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Cores = frozenset[int]

_FOLDER = Path("/sys/devices/system/node")
_LEAST_BYTES = 1 << 22  # a smaller array is in the caches after the first half-step
_PIECE_BYTES = 1 << 20


def cores_of(text: str) -> frozenset[int]:
    """Return the cores in a list such as `0-3,8`, as Linux writes it; none for an empty line."""
    found: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def read_nodes(folder: Path) -> tuple[frozenset[int], ...]:
    """Return the cores of each node with cores, in the nodes' order; none where that is not known."""
    files = sorted(folder.glob("node[0-9]*/cpulist"), key=lambda file: int(file.parent.name[4:]))
    try:
        return tuple(filter(None, (cores_of(file.read_text()) for file in files)))
    except (OSError, ValueError):
        return ()


@cache
def nodes() -> tuple[frozenset[int], ...]:
    """Return the cores of each of this machine's nodes: see `read_nodes`."""
    return read_nodes(_FOLDER)


_where = threading.local()


def allowed() -> Cores | None:
    """Return the cores that the calling thread may use; None where the system does not say."""
    affinity: Any = getattr(os, "sched_getaffinity", None)
    return frozenset(affinity(0)) if affinity else None


def settle(worker: int, may: Cores | None) -> None:
    """Keep the calling thread on those cores of one node that are in `may`; the next worker on the next.

    `may` is what the thread that wants the work may use, which can change between two pieces of work.
    Where the machine has one node, or all cores of `may` are on one, the thread may use all of `may`.
    """
    if may is None:
        return
    near = [there for node in nodes() if (there := node & may)]
    wanted = near[worker % len(near)] if len(near) > 1 else may
    if wanted != getattr(_where, "cores", None):
        if wanted != allowed():
            os.sched_setaffinity(0, wanted)
        _where.cores = wanted


def shared_out(
    array: npt.NDArray[Any], spread: Callable[[range, Callable[[int], None]], None]
) -> npt.NDArray[Any]:
    """Return a copy whose pages lie on all nodes; the array itself if it is small or there is one node.

    Parameters
    ----------
    array
        One dimension, contiguous.
    spread
        `spread(pieces, copy)` calls `copy` for each piece, on threads of all nodes.
    """
    if len(nodes()) < 2 or array.nbytes < _LEAST_BYTES:
        return array
    copy = np.empty_like(array)
    step = max(1, _PIECE_BYTES // array.itemsize)

    def run(start: int) -> None:
        copy[start : start + step] = array[start : start + step]

    spread(range(0, len(array), step), run)
    return copy
