"""Rows for the tensor core rung, and by how much it differs from the rung before it.

Both solve the same rounded systems, so that what differs is the arithmetic alone.
"""

import numpy as np
import oracle
from scipy import sparse

from cases.gpu import SETTINGS, case
from halfstep import SOLVERS
from halfstep.solvers.inputs import as_csr

NAME, BEFORE = "gpu_cg_8_tensor", "gpu_cg_7_half"
# Several to a warp, a warp's, a small and a large block's, one that is streamed, and a hub's: where a
# block has SHARED bytes and hubs begin at HUB.
LENGTHS = (0, 5, 20, 40, 100, 0, 200, 300, 450, 1000)
SHARED, HUB = 99 << 10, 500
# Relative; float32 sums in another order.
TOLERANCE = 2e-5


def difference(convention, alpha, f=33):
    """Return the largest relative difference between the two rungs' solutions of a row."""
    matrix, Y, _, _ = case(f, "log", 0.0, lengths=LENGTHS)
    matrix = abs(matrix).power(2)  # weights up to the square of the largest count
    settings = {"confidence": convention, "alpha": alpha, "regularization": 20.0, "cg_steps": 3}
    start = np.random.default_rng(3).normal(size=(matrix.shape[0], f)).astype(np.float32)
    both = []
    for name in (BEFORE, NAME):
        model = SOLVERS[name](factors=f, **settings)
        users, _ = model.weights(matrix)
        both.append(model.half_step(users.fixing(Y), start))
    size = np.linalg.norm(both[0], axis=1)
    off = np.linalg.norm(both[1] - both[0], axis=1)
    return float((off / np.maximum(size, 1e-30)).max())


# Light entries, of as many heavy ones: a warp's, a small block's, a row that is streamed, and a hub's.
MIXED = (24, 50, 210, 300)


def error_of_light(f=33):
    """Return the largest error of what light entries settle in rows that end with heavy ones.

    The weights ascend over five orders of magnitude, so that sums are scaled anew on the way. The heavy
    entries have a factor of their own, so that nothing else may change the other factors.
    """
    rng = np.random.default_rng(0)
    columns = MIXED[-1]
    Y = np.zeros((2 * columns, f), np.float32)
    Y[:columns, : f - 1] = rng.normal(size=(columns, f - 1))
    Y[columns:, f - 1] = rng.uniform(0.5, 1.5, columns)
    dense = np.zeros((len(MIXED), 2 * columns))
    for u, n in enumerate(MIXED):
        dense[u, rng.choice(columns, n, replace=False)] = rng.uniform(1.5, 3, n)
        dense[u, columns : columns + n] = 10 ** np.linspace(0.5, 5, n)
    matrix = as_csr(sparse.csr_matrix(dense))
    settings = {"confidence": "implicit", "alpha": 1.0, "regularization": 20.0}
    exact = oracle.solve(matrix, Y, **settings)[:, : f - 1]
    model = SOLVERS[NAME](factors=f, **SETTINGS[NAME], **settings)
    start = rng.normal(size=(len(MIXED), f)).astype(np.float32)
    X = model.half_step(model.weights(matrix)[0].fixing(Y), start)[:, : f - 1]
    errors = np.linalg.norm(X - exact, axis=1) / np.linalg.norm(exact, axis=1)
    return float(errors.max()) if np.isfinite(errors).all() else np.inf
