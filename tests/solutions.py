"""Solutions of the ladder's exercises, as a reader may write them, for the tests of their check."""

import inspect

import numpy as np


def steps_taken(A, b, x, theta):
    r = b - A @ x
    p, rr, g, gained, taken = r, r @ r, 1.0, 0.0, 0
    while rr > 0:
        Ap = A @ p
        a = rr / (p @ Ap)
        r = r - a * Ap
        new = r @ r
        taken, gained = taken + 1, gained + a * rr
        g = (g - a) / (g - a + new / rr)
        if g * new <= theta * gained:
            break
        p = r + new / rr * p
        rr = new
    return taken


def subspace_half_step(Y, plays, alpha, regularization, X, block):
    f = Y.shape[1]
    result = np.array(X)
    for row in range(plays.shape[0]):
        stored = slice(plays.indptr[row], plays.indptr[row + 1])
        Z, w = Y[plays.indices[stored]], alpha * plays.data[stored]
        A = Y.T @ Y + regularization * np.eye(f) + Z.T @ np.diag(w) @ Z
        b = Z.T @ (1 + w)
        for first in range(0, f, block):
            last = min(first + block, f)
            r = b - A @ result[row]
            inner = A[first:last, first:last]
            result[row, first:last] += np.linalg.solve(inner, r[first:last])
    return result


def block_sum(values):
    total = np.float32(0)
    for first in range(0, len(values), 32):
        warp = np.zeros(32, np.float32)
        part = values[first : first + 32]
        warp[: len(part)] = part
        while len(warp) > 1:
            half = len(warp) // 2
            warp = warp[:half] + warp[half:]
        total += warp[0]
    return total


def whitened_product(Z, w, p):
    return p + Z.T @ (w * (Z @ p))


def butterfly_sum(lanes):
    distance = 16
    while distance:
        lanes = lanes + lanes[[lane ^ distance for lane in range(32)]]
        distance //= 2
    return lanes


def bytes_gathered(entries, factors, steps, kept, itemsize=4):
    first, later = entries, max(0, entries - kept)
    return (first + steps * later) * factors * itemsize


def bins_of_degrees(degrees, limits):
    order = np.array(sorted(range(len(degrees)), key=lambda row: (-degrees[row], row)))
    begins = np.array([int((degrees > limit).sum()) for limit in limits])
    return order, begins


def pieces_of_hub(entries, blocks):
    size, longer = divmod(entries, blocks)
    pieces, at = [], 0
    for block in range(blocks):
        stop = at + size + (block < longer)
        pieces.append((at, stop))
        at = stop
    return pieces


def to_bfloat16(values):
    bits = values.view(np.uint32).astype(np.int64)
    lower, upper = bits & 0xFFFF, bits >> 16
    up = (lower > 0x8000) | ((lower == 0x8000) & (upper % 2 == 1))
    upper = np.where(np.isnan(values), 0x7FFF, upper + up)
    return upper.astype(np.uint16)


def tensor_core_product(A, B):
    A, B = A.astype(np.float16).astype(np.float32), B.astype(np.float16).astype(np.float32)
    C = np.zeros((A.shape[0], B.shape[1]), np.float32)
    for k in range(0, A.shape[1], 16):
        C += A[:, k : k + 16] @ B[k : k + 16]
    return C


def one_pass_or_steps(entries, factors, steps):
    gathered = 3 * entries * factors
    return "one pass" if gathered + factors**3 / 6 < (steps + 1) * gathered else "steps"


def packed_cholesky(A):
    f = len(A)
    L = np.zeros(f * (f + 1) // 2)
    for i in range(f):
        for j in range(i + 1):
            row, other = i * (i + 1) // 2, j * (j + 1) // 2
            left = A[i, j] - L[row : row + j] @ L[other : other + j]
            L[row + j] = np.sqrt(left) if i == j else left / L[other + j]
    return L


def best_items(scores, n, tile):
    best = []
    for first in range(0, len(scores), tile):
        part = scores[first : first + tile]
        best += [(-score, first + k) for k, score in enumerate(part)]
        best = sorted(best)[:n]
    return np.array([item for _, item in best] + [-1] * (n - len(best)))


SOLUTIONS = {
    function.__name__: inspect.getsource(function)
    for function in (
        *(steps_taken, subspace_half_step, block_sum, whitened_product, butterfly_sum),
        *(bytes_gathered, bins_of_degrees, pieces_of_hub, to_bfloat16, tensor_core_product),
        *(one_pass_or_steps, packed_cholesky, best_items),
    )
}
