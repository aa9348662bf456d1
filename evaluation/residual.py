"""How well a half-step was solved: the relative residual of each row's system, in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from halfstep.solvers.problem import Problem
    from halfstep.types import Floats


def relative_residuals(problem: Problem, X: Floats) -> npt.NDArray[np.float64]:
    """Return |A_u x_u - b_u| / |b_u| for each row, (rows,), in float64.

    Rows with b_u = 0 have the solution zero; theirs is |x_u|. A NaN in X gives NaN.
    """
    exact = replace(problem, Y=problem.Y.astype(np.float64))
    gramian = exact.gramian()
    residuals = np.empty(exact.rows)
    for start, stop in exact.blocks(1 << 20):
        block = exact.block(start, stop)
        block = replace(block, values=block.values.astype(np.float64))
        x = X[start:stop].astype(np.float64)
        b = block.right_hand_side()
        error = np.linalg.norm(block.apply(x, gramian) - b, axis=1)
        size = np.linalg.norm(b, axis=1)
        empty = size == 0
        residuals[start:stop] = np.where(
            empty, np.linalg.norm(x, axis=1), error / np.where(empty, 1, size)
        )
    return residuals
