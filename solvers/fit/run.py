"""What surrounds the iterations of a fit: memory, weights, start, progress, Ctrl-C, last warning."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from halfstep.blas import blas_threads
from halfstep.interruption import interruption
from halfstep.progress import progress_bar
from halfstep.solvers.fit.checkpoint import checkpoints
from halfstep.solvers.fit.memory import check_memory
from halfstep.solvers.fit.monitor import Callback, Monitor
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.fit.stopping import warn_of_unsolved_rows


def run(
    model: Any,
    matrix: sparse.csr_matrix,
    checkpointing: tuple[Any, Any, Any],
    *,
    show_progress: bool,
    callback: Callback | None,
) -> None:
    """Fit `model` to a canonical matrix; see `Solver.fit`.

    `checkpointing` holds its arguments `checkpoint`, `checkpoint_every` and `resume`.
    """
    keeper, state = checkpoints(model, matrix, *checkpointing)
    check_memory(model, matrix)
    users, items = weights = model._sides(matrix)
    model._forget_derived()
    # No local name for the starting factors: it would keep them in memory for the whole fit.
    if state is None:
        model.user_factors, model.item_factors = starting_factors(
            model.init_factors, matrix.shape, model.factors, model.dtype, model.random_state
        )
        done, model.loss_history_, model.seconds_ = 0, [], []
    else:
        done, model.user_factors, model.item_factors, model.loss_history_, model.seconds_ = state
        state = None
    model.interrupted_ = None
    model.report_, model._half_reports = [], {}
    model._warned_of_ridge = False
    if done >= model.iterations:
        return
    with (
        progress_bar(model.iterations - done, show_progress, model.name) as advance,
        blas_threads(int(model.num_threads) or None),
        # OpenBLAS's AVX-512 kernels set error flags on good input too: the monitor finds bad rows.
        np.errstate(all="ignore"),
        interruption() as ctrl_c,
    ):
        monitor = Monitor(model, weights, done, keeper, ctrl_c, advance, callback)
        model._alternate(users, items, model.user_factors, model.item_factors, monitor)
    warn_of_unsolved_rows(model.report_)
