"""The line that says what helps where a few entries outweigh all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from scipy import sparse

if TYPE_CHECKING:
    from halfstep.solvers import Solver


def hint_of(model: Solver, matrix: sparse.csr_matrix) -> str | None:
    """Return the line for a fit of `model` to a matrix (users, items); None if nothing needs saying."""
    from halfstep.solvers.fit import tail, weighing
    from halfstep.solvers.inputs import as_csr

    if model.kind == "baseline":
        return None
    matrix = as_csr(matrix)
    transform = weighing.transform_of(model, matrix)
    found = weighing.heavy_tail(model, weighing.transformed_by(model, matrix, transform))
    if found is None:
        return None
    return tail.hint(
        found, "--confidence log", "--transform bm25", "--regularization 20", "`halfstep tune`"
    )


def hint(console: Console, model: Solver, matrix: sparse.csr_matrix) -> None:
    """Print the line, if there is one."""
    line = hint_of(model, matrix)
    if line is not None:
        console.print(f"Hint: {line}.", highlight=False, markup=False, soft_wrap=True)
