"""What will an iteration cost? Asked of a few rows before anybody waits for all of them."""

from __future__ import annotations

import time

from scipy import sparse
from threadpoolctl import threadpool_limits

from halfstep.bench.contestants import Start
from halfstep.solvers import Solver
from halfstep.solvers.matrix import Floats
from halfstep.solvers.problem import Weights

_FIRST_ROWS = 16
_ENOUGH_SECONDS = 0.25


def predict_seconds(model: Solver, train: sparse.csr_matrix, start: Start) -> float:
    """Return about how many seconds an iteration of `model` takes; it also compiles what is compiled.

    Growing runs of rows are solved until one takes a quarter of a second, and the result is scaled by
    rows or by entries, whichever gives more: what all rows share counts too often then, so that the
    prediction errs upwards, and only for solvers that are fast.
    """
    users, items = model.weights(train)
    X, Y = start
    with threadpool_limits(model.num_threads or None):
        return _side(model, users, X, Y) + _side(model, items, Y, X)


def _side(model: Solver, side: Weights, X: Floats, Y: Floats) -> float:
    problem = side.fixing(Y)
    rows = min(_FIRST_ROWS, side.rows)
    model.half_step(problem.block(0, rows), X[:rows])
    while True:
        start = time.perf_counter()
        model.half_step(problem.block(0, rows), X[:rows])
        seconds = time.perf_counter() - start
        if seconds >= _ENOUGH_SECONDS or rows == side.rows:
            break
        rows = min(rows * 4, side.rows)
    entries = max(1, int(side.indptr[rows]))
    return seconds * max(side.rows / rows, len(side.indices) / entries)
