"""Plain conjugate gradients: those of implicit, of irspack and of the first GPU rung."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from halfstep.solvers.base import Solver


@dataclass(eq=False, repr=False)
class PlainSteps(Solver):
    """A fixed number of plain steps for every row, each written as in Saad, alg. 6.18."""

    name: ClassVar[str] = "plain_steps"
    cg_steps: int = field(default=3, kw_only=True)

    def half_step(self, problem, X):
        gramian = problem.gramian()
        R = problem.right_hand_side() - problem.apply(X, gramian)
        P, rs = R, np.einsum("uf,uf->u", R, R)[:, None]
        for _ in range(self.cg_steps):
            AP = problem.apply(P, gramian)
            step = rs / np.maximum(np.einsum("uf,uf->u", P, AP)[:, None], np.finfo(X.dtype).tiny)
            X, R = X + step * P, R - step * AP
            before, rs = rs, np.einsum("uf,uf->u", R, R)[:, None]
            P = R + rs / np.maximum(before, np.finfo(X.dtype).tiny) * P
        X[np.diff(problem.indptr) == 0] = 0
        return X
