"""The ladder's exercises: write the bodies, in any order, in a file of your own.

`halfstep lab check mine.py` checks them all, `halfstep lab check mine.py block_sum` one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def naive_half_step(Y, C, P, regularization):
    """Return X (rows, f) that solves every row, with Y (columns, f) fixed.

    C and P (rows, columns) hold the confidence and the preference of every entry.
    The confidence belongs to the matrix of a row and to its right-hand side.
    """
    raise NotImplementedError


def cholesky_half_step(Y, plays, alpha, regularization):
    """Return X (rows, f); `plays`, CSR (rows, columns), stores what was played.

    A stored number r has the confidence 1 + alpha r and the preference 1, all other
    entries 1 and 0. Compute once what the matrices of all rows share.
    """
    raise NotImplementedError


def conjugate_gradients(A, b, x, steps):
    """Return where `steps` steps lead from x (f,), towards the solution of A x = b.

    x stays as it is. A (f, f) is symmetric and positive definite. Where the
    residual is zero, another step would divide by zero.
    """
    raise NotImplementedError


def cg_half_step(Y, plays, alpha, regularization, X, steps):
    """Return X (rows, f) after `steps` steps of conjugate gradients in every row.

    The steps begin from X, which stays as it is; plain steps and steps with
    Y'Y + lambda I as preconditioner are both right. `plays` (rows, columns) is a
    CSR matrix of counts r with weights 1 + alpha r. Form no matrix of a row: a
    step needs only its product with a vector.
    """
    raise NotImplementedError


def whiten(Y, regularization):
    """Return Z = Y inv(L)' (columns, f) and L (f, f): L L' = Y'Y + regularization I.

    L is lower triangular. Solve with it in place of inverting it, and mind the
    transpose.
    """
    raise NotImplementedError


def woodbury_half_step(Y, plays, alpha, regularization):
    """Return X (rows, f) from systems of as many unknowns as a row has entries.

    `plays` is as in `cholesky_half_step`. A row's matrix is M + Z'WZ, where M is
    Y'Y + regularization I, Z (n, f) has the rows of Y of its entries, and W is the
    diagonal of their c - 1. Mind on which side W stands in the small system.
    """
    raise NotImplementedError


def steps_taken(A: np.ndarray, b: np.ndarray, x: np.ndarray, theta: float) -> int:
    """Return how many steps of conjugate gradients the rule takes from x (f,).

    It is 0 where A x = b already. A (f, f) is whitened: no eigenvalue is below 1.
    A step of length a gains a |r|^2, where r is the residual before it, and leaves
    at most g |s|^2, where s is the one after it. g, 1 at first, has become
    (g - a) / (g - a + |s|^2 / |r|^2). Stop once what is left is at most theta times
    what all steps gained.
    """
    raise NotImplementedError


def subspace_half_step(Y, plays, alpha, regularization, X, block):
    """Return X (rows, f) after one sweep over blocks of coordinates in every row.

    `plays` is as in `cholesky_half_step`. The first `block` coordinates of a row
    are solved for exactly with the others fixed, then the next ones; the last block
    may be shorter. A block must see what the blocks before it have changed.
    """
    raise NotImplementedError


def block_sum(values: np.ndarray) -> np.float32:
    """Return the sum of values (threads,), float32, to the last bit of the kernel's.

    Each warp of 32 adds up its own: lane i adds the number of lane i + 16, then
    that of i + 8, i + 4, i + 2, i + 1. Then the warps' sums are added one after
    another, from warp 0 on. Lanes beyond the last value hold 0.
    """
    raise NotImplementedError


def whitened_product(Z: np.ndarray, w: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return A p (f,), A = I + sum w z z' over a row's entries Z (n, f), w (n,).

    A (f, f) is not to be formed. Which product must come first?
    """
    raise NotImplementedError


def butterfly_sum(lanes: np.ndarray) -> np.ndarray:
    """Return what the lanes of a warp hold after a sum by xor-shuffles, (32,) float32.

    `lanes` (32,) is what they hold before. At the distances 16, 8, 4, 2 and 1 in
    turn, lane i adds the number of lane i xor distance. All lanes exchange at once,
    so what they get is what the other lane held before it added.
    """
    raise NotImplementedError


def bytes_gathered(
    entries: int,
    factors: int,
    steps: int,
    kept: int,
    itemsize: int = 4,
) -> int:
    """Return the bytes of the fixed side that a row reads from memory in `steps` steps.

    An entry has `factors` numbers of `itemsize` bytes. One pass over the entries is
    for the residual, and one for each step. The first pass leaves the first `kept`
    entries in shared memory, where the later ones find them.
    """
    raise NotImplementedError


def bins_of_degrees(
    degrees: np.ndarray,
    limits: Sequence[int],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows by degree, highest first, and where in it each bin begins.

    These are two arrays, (rows,) and (limits,). The limits ascend. Bin k has the
    rows of at most limits[k] entries that no smaller bin has; rows above the last
    limit stand before all bins. Rows of equal degree stay in the order of their
    numbers.
    """
    raise NotImplementedError


def pieces_of_hub(entries: int, blocks: int) -> list[tuple[int, int]]:
    """Return the piece of a hub's entries that each block takes, as (first, stop).

    Entry `stop` is not part of it. The pieces follow one another and hold every
    entry once. Their sizes differ by at most one, also where `blocks` does not
    divide `entries`, which is at least `blocks`.
    """
    raise NotImplementedError


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """Return the bits of values (n,), float32, as bfloat16: uint16 (n,).

    A bfloat16 is the upper half of a float32. Round to the nearest one, and halfway
    to the even one, by integer arithmetic on the bits. What becomes of a NaN?
    """
    raise NotImplementedError


def tensor_core_product(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Return A B (m, n) as tensor cores form it, for A (m, k) and B (k, n).

    k is a multiple of 16. Both are rounded to float16. The sum is in float32 from
    beginning to end: to it is added the product of 16 columns of A and 16 rows of
    B, then that of the next 16.
    """
    raise NotImplementedError


def one_pass_or_steps(entries: int, factors: int, steps: int) -> str:
    """Return "one pass" if that costs a long row less than steps do, else "steps".

    Steps gather entries * factors numbers for the residual, and again for each
    step. One pass gathers them once; the solution then takes factors^3 / 6
    multiply-adds. Count a gathered number as three multiply-adds, and those on the
    tensor cores as none.
    """
    raise NotImplementedError


def packed_cholesky(A: np.ndarray) -> np.ndarray:
    """Return the lower triangle of L, L L' = A, row after row: (f (f + 1) / 2,).

    There are no gaps between rows. A (f, f) is symmetric and positive definite, and
    only its lower triangle is filled in. At which place does L[i, j] stand?
    """
    raise NotImplementedError


def best_items(scores: np.ndarray, n: int, tile: int) -> np.ndarray:
    """Return the numbers of the n best items by scores (items,), best first: (n,).

    Look at `tile` scores at a time, the last time at fewer, and keep only the n
    best so far. Of equal scores the lower item comes first. Where no item is left,
    the number is -1.
    """
    raise NotImplementedError
