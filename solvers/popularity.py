"""The baseline, popularity: recommend to everybody the items that most users have.

Nothing is factorised. In the first column, every user factor is one and each item factor is the number
of users that have the item; the other columns are zero. The class takes the arguments of all solvers, so
that it can stand in every table, but uses only `factors` (for the shape) and `dtype`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from halfstep.solvers.base import Solver
from halfstep.solvers.fit.monitor import Monitor
from halfstep.solvers.problem import Problem, Weights
from halfstep.types import Floats


@dataclass(eq=False, repr=False)
class Popularity(Solver):
    """Rank items by their number of users, the same for everybody.

    The parameters are those of `halfstep.Solver`.

    See Also
    --------
    halfstep.evaluate : Measures how much better than this a model is.

    Examples
    --------
    >>> import halfstep
    >>> from scipy import sparse
    >>> plays = sparse.csr_matrix([[5, 0, 3, 0], [0, 2, 0, 4], [1, 0, 0, 3]])
    >>> model = halfstep.SOLVERS["popularity"](factors=2, random_state=0)
    >>> model.fit(plays, show_progress=False).user_factors.shape
    (3, 2)
    """

    name: ClassVar[str] = "popularity"
    kind: ClassVar[str] = "baseline"

    def half_step(self, problem: Problem, X: Floats) -> Floats:
        """Return factors (rows, f) with each row's number of stored entries in the first column."""
        counts = np.zeros_like(X)
        counts[:, 0] = np.diff(problem.indptr)
        return counts

    def _alternate(self, users: Weights, items: Weights, X: Any, Y: Any, monitor: Monitor) -> None:
        start = time.perf_counter()
        X = np.zeros_like(X)
        X[:, 0] = 1
        Y = self.half_step(items.fixing(X), Y)
        monitor(0, time.perf_counter() - start, X, Y)
