"""A half-step with rows of every awkward length, for the tests of the compiled rungs."""

from dataclasses import replace

import numpy as np
from scipy import sparse

from cases.solvers import CONVENTIONS
from halfstep.solvers.eigenbasis import Eigenbasis
from halfstep.solvers.fit.weights import weigh

FACTORS = (1, 7, 33, 64, 130, 257)
# With two more that are hard on steps: a ridge of its own for every row, and weights up to a million.
ROW_CONVENTIONS = {
    **CONVENTIONS,
    "scaled": {"confidence": "binary", "regularization_exponent": 1.0},
    "huge": {"confidence": "linear", "alpha": 1e6},
}
COLUMNS = 5003


def problem(
    f, dtype="float32", *, rank=None, regularization=0.1, convention="linear", seed=0, longest=5000
):
    """Rows of 0, 1, f-1, f, f+1 and `longest` entries, then a few ordinary ones."""
    rng = np.random.default_rng(seed)
    columns = longest + COLUMNS - 5000
    lengths = [0, 1, f - 1, f, f + 1, longest, *rng.integers(1, 120, 7)]
    rows = [np.sort(rng.choice(columns, n, replace=False)) for n in lengths]
    values = rng.integers(1, 5, sum(lengths)).astype(dtype)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    matrix = sparse.csr_matrix(
        (values, np.concatenate(rows), indptr), shape=(len(lengths), columns)
    )
    Y = rng.standard_normal((columns, rank or f)) * 0.3
    if rank:
        Y = Y @ rng.standard_normal((rank, f))
    settings = {"regularization": regularization, **ROW_CONVENTIONS[convention]}
    X = rng.standard_normal((len(lengths), f)).astype(dtype)
    return weigh(matrix, dtype=dtype, **settings).fixing(Y.astype(dtype)), X


def solver(f, dtype="float32", **settings):
    return Eigenbasis(factors=f, dtype=dtype, **settings)


def eps(dtype):
    return np.finfo(dtype).eps


def row_objectives(half, X):
    """Return each row's part of the objective, without what does not depend on X: x'Ax - 2 b'x."""
    X = X.astype(np.float64)
    A_X = half.apply(X, half.gramian())
    return np.einsum("uf,uf->u", X, A_X) - 2 * np.einsum("uf,uf->u", X, half.right_hand_side())


def reported(model, half, X):
    """Return a half-step's solution, and what it reports of its rows."""
    reports = []
    solution = model.half_step(replace(half, reports=reports), X)
    return solution, reports[0]


def split_rows(monkeypatch):
    """Let rows of three entries count as long, so that they are split over threads."""
    from halfstep.kernels.cpu import high_degree

    monkeypatch.setattr(high_degree, "SHORTEST", 3)
    monkeypatch.setattr(high_degree, "SHARE", 100)
