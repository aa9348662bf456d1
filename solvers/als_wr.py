"""ALS-WR: each row's regularisation times the number of its entries with a preference, as Spark has it.

    lambda_u = regularization n_u      n_u entries of the row with p > 0 (`"explicit"`: all of them)

That is the weighting of Zhou et al., "Large-scale Parallel Collaborative Filtering for the Netflix
Prize" (2008). With `"explicit"` it is the same as `regularization_exponent=1`. With the other
confidences no exponent gives it, because the frequency of `halfstep.solvers.problem` counts the
background as well. `als_wr` makes a solver minimise this objective, so that the benchmark can compare
it with Spark on one and the same function.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import sparse

from halfstep.errors import InputError
from halfstep.solvers.base import Solver
from halfstep.solvers.problem import Weights

if TYPE_CHECKING:
    _Base = Solver
else:
    _Base = object

# What else takes its rows' regularisation from the weights, as all rungs do.
_PEERS = ("spark",)


class AlsWr(_Base):
    """What `als_wr` puts before a solver: the rows' regularisation."""

    row_scaling: ClassVar[str] = "als_wr"

    def check(self) -> None:
        """Raise InputError for an argument that breaks its rule, or another scaling of the rows."""
        super().check()
        if self.regularization_exponent != 0:
            raise InputError(
                "ALS-WR scales the regularization by n_u: regularization_exponent must be 0, "
                f"got {self.regularization_exponent}"
            )

    def _weights(self, transformed: sparse.csr_matrix) -> tuple[Weights, Weights]:
        if self._given:
            raise InputError("ALS-WR takes no user_features or item_features")
        users, items = super()._weights(transformed)
        explicit = self.confidence == "explicit"
        return (
            _scaled(users, self.regularization, explicit),
            _scaled(items, self.regularization, explicit),
        )


@cache
def als_wr(solver: type[Solver]) -> type[Solver]:
    """Return the solver's class with the regularisation of ALS-WR, for fits alone.

    Raises
    ------
    InputError
        The solver does not take its rows' regularisation from the weights on the host.
    """
    if solver.device != "cpu" or (solver.kind == "reference" and solver.name not in _PEERS):
        raise InputError(f"{solver.name} has no ALS-WR: the solvers on the CPU and spark have it")
    own: dict[str, Any] = {"__doc__": solver.__doc__, "__module__": solver.__module__}
    return type(solver.__name__, (AlsWr, solver), own)


def _scaled(side: Weights, regularization: float, explicit: bool) -> Weights:
    """Return a side with lambda_u = regularization n_u; a row without preferences counts as one.

    Its solution is 0 whatever its regularisation is, and with 0 its matrix might be singular.
    """
    kept = np.ones(len(side.values), bool) if explicit else side.of_entries(slice(None))[1] > 0
    before = np.concatenate([[0], np.cumsum(kept)])
    counts = before[side.indptr[1:]] - before[side.indptr[:-1]]
    return replace(side, lam=regularization * np.maximum(counts, 1).astype(np.float64))
