"""Rows for the tensor core rung, and by how much it differs from the rung before it.

Both solve the same rounded systems, so that what differs is the arithmetic alone.
"""

import numpy as np

from cases.gpu import case
from halfstep import SOLVERS

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
