"""Compute the objective and residuals and find factors that are not finite, on the device.

The kernels are in `kernels/cuda/audit.cu` and `kernels/cuda/residual.cu`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from halfstep.kernels.cuda.backend import Array, Backend
from halfstep.kernels.cuda.catalogue import factor_per_thread, threads_for
from halfstep.solvers.gpu.device.data import blocks_for
from halfstep.solvers.gpu.device.side import Side

_THREADS = 256
_ROWS = 8  # of a block at a time, one per warp
NONE = np.iinfo(np.int64).max


def device_objective(backend: Backend, users: Side, items: Side, X: Array, Y: Array) -> float:
    """Return the objective of `halfstep.solvers.objective`, with all sums in float64."""
    objective = objective_of_rows(backend, users, items.lam, X, Y)
    if users.prior is not None:  # its pulls are among the stored entries
        objective += users.prior.beside_ridge(None)
    if items.prior is not None:
        objective += items.prior.beside_ridge(backend.to_host(Y))
    return objective


def objective_of_rows(backend: Backend, users: Side, item_lam: Array, X: Array, Y: Array) -> float:
    """Return the objective of `users`, a whole side or its first rows, with the penalty of all items."""
    stored = 0.0
    if len(users.indices):
        blocks = blocks_for(users.rows, _ROWS)
        sums = backend.empty(blocks, np.float64)
        backend.launch(
            "audit.cu",
            "stored_terms",
            factor_per_thread(X.shape[1], X.dtype),
            (blocks,),
            (_THREADS,),
            (
                X, users.over(backend, Y), users.indptr, users.indices, users.w, users.t,
                np.int64(users.rows), sums,
            ),
        )  # fmt: skip
        stored = float(backend.to_host(sums).sum())
    background = 0.0
    if users.a0 != 0:
        XtX, YtY = backend.to_host(backend.gram(X)), backend.to_host(backend.gram(Y))
        background = users.a0 * float(np.sum(XtX * YtY))
    penalties = _look_at(backend, X, users.lam)[0] + _look_at(backend, Y, item_lam)[0]
    return users.constant + stored + background + penalties


def device_residuals(backend: Backend, side: Side, X: Array, Y: Array) -> npt.NDArray[np.float64]:
    """Return |A_u x_u - b_u| / |b_u| of each row of a half-step, (rows,), with sums in float64.

    It is |x_u| for a row with b_u = 0, as in `halfstep.solvers.objective`.
    """
    f = X.shape[1]
    residuals = backend.empty(side.rows, np.float64)
    if side.rows == 0:
        return backend.to_host(residuals)
    shared = backend.to_device(side.a0 * backend.to_host(backend.gram(Y)))
    Y = side.over(backend, Y)
    backend.launch(
        "residual.cu",
        "relative_residuals",
        factor_per_thread(f, X.dtype),
        (min(side.rows, 32 * backend.sm_count()),),
        (threads_for(f),),
        (
            X, Y, shared, side.indptr, side.indices, side.w, side.t, side.lam,
            np.int64(side.rows), residuals,
        ),
    )  # fmt: skip
    return backend.to_host(residuals)


def first_not_finite(backend: Backend, factors: Array) -> int | None:
    """Return the first row of factors (rows, f) with a NaN or an infinity, or None."""
    row = _look_at(backend, factors, None)[1]
    return None if row == NONE else row


def look_blocks(rows: int | None) -> int:
    """Return how many blocks look at `rows` rows of factors; at most, if that is None."""
    return blocks_for(NONE if rows is None else rows, _ROWS)


def launch_look(backend: Backend, factors: Array, lam: Array | None, lowest: Array) -> Array:
    """Look at factors (rows, f), of at least one row, and return partial sums of lambda_u |x_u|^2.

    Each block of `look_blocks` writes its lowest row that is not finite, or `NONE`, to `lowest`
    (blocks or more,) int64. Without `lam` the sums are 0.
    """
    rows, f = factors.shape
    blocks = look_blocks(rows)
    sums = backend.empty(blocks, np.float64)
    backend.launch(
        "audit.cu",
        "penalty",
        factor_per_thread(f, factors.dtype),
        (blocks,),
        (_THREADS,),
        (factors, lam, np.int64(rows), sums, lowest),
    )
    return sums


def _look_at(backend: Backend, factors: Array, lam: Array | None) -> tuple[float, int]:
    """Return sum_u lambda_u |x_u|^2 (0 without `lam`) and the first row that is not finite."""
    if len(factors) == 0:
        return 0.0, NONE
    lowest = backend.empty(look_blocks(len(factors)), np.int64)
    sums = launch_look(backend, factors, lam, lowest)
    return float(backend.to_host(sums).sum()), int(backend.to_host(lowest).min())
