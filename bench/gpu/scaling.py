"""How the CPU's solvers gain from cores: seconds of an iteration with 1 to 16 threads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from scipy import sparse

from halfstep.bench.gpu.plan import CPU, CPU_PEER
from halfstep.solvers import SOLVERS

THREADS = (16, 8, 4, 2, 1)
_ITERATIONS = 2


def scaling(
    matrix: sparse.csr_matrix,
    factors: int,
    convention: dict[str, Any],
    seconds: float,
    record: Callable[..., None],
) -> None:
    """Time both CPU solvers with each number of threads that the machine has, the most first.

    Parameters
    ----------
    seconds
        About how long this may take; what no longer fits is recorded as left out.
    record
        Called with `solver`, `threads`, and `seconds` of the last iteration or the `reason` for none.
    """
    began, last = time.perf_counter(), 0.0
    for threads in (n for n in THREADS if n <= (os.cpu_count() or 1)):
        for name in (CPU, CPU_PEER):
            reason, each = SOLVERS[name].unavailable(), None
            if reason is None and time.perf_counter() - began + 1.5 * last > seconds:
                reason = "left out: out of time"
            if reason is None:
                begin = time.perf_counter()
                each = _iteration(name, matrix, factors, convention, threads)
                last = max(last, time.perf_counter() - begin)
            record(solver=name, threads=threads, seconds=each, reason=reason)
        last *= 2  # half as many threads


def _iteration(
    name: str, matrix: sparse.csr_matrix, factors: int, convention: dict[str, Any], threads: int
) -> float:
    solver: Any = SOLVERS[name]
    model = solver(
        factors=factors, iterations=_ITERATIONS, random_state=0, num_threads=threads, **convention
    )
    model.fit(matrix, show_progress=False)
    return float(model.seconds_[-1])
