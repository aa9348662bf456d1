"""The systems that the rung `gpu_cg_9_gramian` solves, by its kernels and in float64."""

from contextlib import ExitStack
from itertools import pairwise
from unittest import mock

import numpy as np

from halfstep.kernels.cuda.backend import current
from halfstep.kernels.cuda.lanes import systems
from halfstep.solvers.gpu import cg_9_gramian
from halfstep.solvers.gpu.cg_9_gramian import FILE, GpuCgGramian

NAME, BEFORE = "gpu_cg_9_gramian", "gpu_cg_8_tensor"
LENGTHS = (1, 15, 16, 17, 32, 33, 64, 100, 250)
COLUMNS, BASE, SLOPE, OMEGA = 400, 2.0e5, 1.0e5, 1.3
# (factors, bytes of shared memory, entries of a part): odd and even numbers of tiles, rows whole and in
# parts, systems in shared memory and in global memory.
LAYOUTS = ((16, None, None), (48, None, None), (96, 22 << 10, 40))
MORE = ((80, None, 100), (144, 32 << 10, None))
# Of a solution, in the norm of its system, relative; float32 and systems of condition 10,000.
TOLERANCE = 3e-5


def rows(wide, seed=0):
    """Return (Z, indptr, indices, w, t, lam, start) of rows whose weights span six decades."""
    rng = np.random.default_rng(seed)
    Z = (rng.normal(size=(COLUMNS, wide)) * 1000).astype(np.float16)
    indptr = np.concatenate([[0], np.cumsum(LENGTHS)])
    indices = np.concatenate([rng.choice(COLUMNS, n, replace=False) for n in LENGTHS])
    w = (10.0 ** rng.uniform(-4, 2, indptr[-1])).astype(np.float32)
    w[::7] = 0
    w[indptr[5] : indptr[6] - 1] *= (
        1e-5  # the largest of this row is the only one of its second warp
    )
    t = np.where(rng.random(len(w)) < 0.1, 0, 1 + w).astype(np.float32)
    lam = rng.uniform(0.5, 2, len(LENGTHS)).astype(np.float32)
    start = rng.normal(size=(len(LENGTHS), wide)).astype(np.float32) * 1e-3
    return Z, indptr.astype(np.int64), indices.astype(np.int32), w, t, lam, start


def expected(wide):
    """Return each row's system in float64: its matrix, and its solution."""
    Z, indptr, indices, w, t, lam, _ = rows(wide)
    for u in range(len(LENGTHS)):
        mine = slice(indptr[u], indptr[u + 1])
        z = Z[indices[mine]].astype(np.float64)
        A = np.diag(BASE * (1 + np.arange(wide)) + SLOPE * float(lam[u])) + z.T @ (
            w[mine, None] * z
        )
        yield A, np.linalg.solve(A, z.T @ t[mine].astype(np.float64))


def solved(backend, wide, part=None):
    """Return (solutions, reports) of the kernels; in parts of `part` entries if given."""
    Z, indptr, indices, w, t, lam, start = rows(wide)
    base = (BASE * (1 + np.arange(wide))).astype(np.float32)
    slope = np.full(wide, SLOPE, np.float32)
    to = backend.to_device
    x, ended = to(start), backend.empty((len(LENGTHS), 3), np.float32)
    layout = systems(wide, shared_limit=backend.shared_limit)
    order = to(np.arange(len(LENGTHS), dtype=np.int32))
    of_basis, entries, eps = (to(base), to(slope)), (to(indices), to(w), to(t)), np.float32(1.2e-7)

    def launch(kernel, blocks, args):
        backend.launch(
            FILE, kernel, layout.defines, (blocks,), (32 * layout.warps,), args,
            shared_mem=layout.shared,
        )  # fmt: skip

    if part is None:
        room = None if layout.inside else backend.empty((len(LENGTHS), layout.numbers), np.float32)
        launch(
            "cg_9_row", len(LENGTHS),
            (x, to(Z), *of_basis, to(indptr), *entries, to(lam), order, ended, np.float32(OMEGA), eps,
             room),
        )  # fmt: skip
    else:
        first = [np.arange(a, b, part) for a, b in pairwise(indptr)]
        stop = [np.minimum(f + part, b) for f, b in zip(first, indptr[1:], strict=True)]
        begin = to(np.cumsum([0, *map(len, first)]).astype(np.int32))
        count = sum(map(len, first))
        parts = backend.empty((count, layout.numbers), np.float32)
        launch(
            "cg_9_part", count,
            (to(Z), *entries, to(np.concatenate(first)), to(np.concatenate(stop)), parts),
        )  # fmt: skip
        launch(
            "cg_9_solve", len(LENGTHS),
            (x, *of_basis, to(lam), order, begin, parts, ended, np.float32(OMEGA), eps),
        )  # fmt: skip
    return backend.to_host(x), backend.to_host(ended), layout


def worst(backend, wide, part=None):
    """Return the largest errors of a row's solution and of what it says it gained, relative."""
    found, ended, _ = solved(backend, wide, part)
    start = rows(wide)[-1].astype(np.float64)
    errors = []
    for u, (A, solution) in enumerate(expected(wide)):
        move = solution - start[u]
        gained = move @ A @ move
        error = found[u] - (start[u] + OMEGA * move)
        size = np.sqrt(max(gained, solution @ A @ solution))
        errors.append((np.sqrt(error @ A @ error) / size, abs(ended[u, 1] / gained - 1)))
    assert (ended[:, 0] == 1).all()
    assert (ended[:, 2] == 0).all()
    return np.max(np.nan_to_num(errors, nan=np.inf), axis=0)


def error_of_systems(wide, part=None):
    """Return the larger of the two errors on the current device, of what was gained as 3 % of it."""
    error, of_gained = worst(current(), wide, part)
    return max(error, 0.03 * of_gained)


def small_share(backend):
    """Return the relative error of the part that an entry of a small weight has in a system.

    It stands beside one of a weight 300,000 times larger, in coordinates of which that one has none.
    """
    wide = 16
    layout = systems(wide, shared_limit=backend.shared_limit)
    Z = np.zeros((2, wide), np.float16)
    Z[0, :8], Z[1, 8:] = 1000, 1000 + np.arange(8)
    w = np.array([1, 1e-5 / 3], np.float32)
    parts = backend.empty((1, layout.numbers), np.float32)
    to = backend.to_device
    backend.launch(
        FILE, "cg_9_part", layout.defines, (1,), (32 * layout.warps,),
        (to(Z), to(np.arange(2, dtype=np.int32)), to(w), to(w), to(np.array([0])), to(np.array([2])),
         parts),
        shared_mem=layout.shared,
    )  # fmt: skip
    z = Z[1, 8:].astype(np.float64)
    right = np.tril(float(w[1]) * np.outer(z, z))
    system = np.zeros((wide, wide))
    system[np.tril_indices(wide)] = backend.to_host(parts)[0, :-wide]
    found = system[8:, 8:]
    return float(np.abs(found - right).max() / right.max())


def exact_from(entries, part):
    """Let rows of more than `entries` entries be solved exactly, and of more than `part` in parts."""
    stack = ExitStack()
    stack.enter_context(mock.patch.object(GpuCgGramian, "_longest", return_value=entries))
    stack.enter_context(mock.patch.object(cg_9_gramian, "PART", part))
    return stack
