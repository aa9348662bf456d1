"""What surrounds the half-steps on a device, each kernel file by itself, against the host's own.

A case takes a backend and raises AssertionError where a result is not what NumPy and SciPy say. The
data are rows without entries, of about a warp, and one with every column, in more pieces than there
are blocks, so that a block goes on to another piece.
"""

from types import SimpleNamespace
from unittest import mock

import numpy as np
from scipy import sparse

from cases import gpu_top_k
from cases.gpu import rows_of
from cases.solvers import CONVENTIONS
from halfstep import SOLVERS, InputError
from halfstep.evaluation.metrics.ranking import rank
from halfstep.evaluation.metrics.ranking_gpu import rank_on_device
from halfstep.kernels.cuda.catalogue import heavy_defines
from halfstep.kernels.stopping import HEAVY, Stopping
from halfstep.solvers.gpu.device import data as gpu_data
from halfstep.solvers.gpu.device.audit import device_objective, device_residuals, first_not_finite
from halfstep.solvers.gpu.device.heavy import rules_of, squared_norms
from halfstep.solvers.gpu.device.queries import rows_on_device
from halfstep.solvers.gpu.device.side import Side
from halfstep.solvers.gpu.device.tally import Tallies, row_weights
from halfstep.solvers.gpu.device.top_k import device_top_k
from halfstep.solvers.inputs import as_csr
from halfstep.solvers.model.top_k import top_k
from halfstep.solvers.objective import objective, relative_residuals

COLUMNS = 210
LENGTHS = (0, 1, 31, 32, 33, 0, COLUMNS, *range(3, 40), 0)
EMPTY = as_csr(sparse.csr_matrix((3, 5)))
FEW_BLOCKS = mock.patch.object(gpu_data, "_MOST_BLOCKS", 2)


def equal(got, expected, rtol=0.0):
    """Raise AssertionError unless all numbers agree; NaN is never what is expected."""
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=0, equal_nan=False)


def sides_of(backend, model, matrix):
    """Return both sides of a fit, made on the device from a host matrix."""
    lengths = np.diff(matrix.indptr), np.bincount(matrix.indices, minlength=matrix.shape[1])
    return gpu_data.sides_of(backend, model, matrix, lengths)


@FEW_BLOCKS
def weigh(backend):
    """Every convention's weights, and the constant of the objective."""
    for matrix in (rows_of(LENGTHS, COLUMNS), EMPTY):
        for convention in CONVENTIONS.values():
            model = SOLVERS["gpu_cg_1_naive"](factors=1, **convention)
            for side, weights in zip(
                sides_of(backend, model, matrix), model.weights(matrix), strict=True
            ):
                equal(backend.to_host(side.w), weights.w, 1e-6)
                equal(backend.to_host(side.t), weights.t, 1e-6)
                equal(side.constant, weights.constant, 1e-6)
            values = backend.to_device(matrix.data.astype(np.float32))
            t = backend.empty(len(matrix.data), np.float32)
            gpu_data.Weigher(model)(
                backend, values, (values, t)
            )  # in place, as a streamed fit does
            equal(backend.to_host(values), model.weights(matrix)[0].w, 1e-6)


@FEW_BLOCKS
def overflow(backend):
    """The first value whose weight overflows."""
    matrix = rows_of(LENGTHS, COLUMNS)
    matrix.data[[301, 700]] = 3e38, 2e38  # in an odd lane of a warp that is not the first
    refused = ""
    try:
        sides_of(backend, SOLVERS["gpu_cg_1_naive"](factors=1, alpha=10.0), matrix)
    except InputError as error:
        refused = str(error)
    assert refused.endswith("times 3e+38"), refused or "a weight that overflows is taken"


def transpose(backend):
    """More tiles than one scan takes at once, and columns of two digits."""
    columns = 2600
    for matrix in (
        rows_of((0, 1, 31, 32, 33, 0, columns, 2500, columns, 2048, 0), columns),
        rows_of((1,), 1),
        EMPTY,
    ):
        there = gpu_data.Csr(
            *rows_on_device(backend, matrix),
            backend.to_device(matrix.data.astype(np.float32)),
            matrix.shape,
        )
        got, expected = gpu_data.transposed(backend, there), as_csr(matrix.T)
        equal(backend.to_host(got.indptr), expected.indptr)
        equal(backend.to_host(got.indices), expected.indices)
        equal(backend.to_host(got.values), expected.data.astype(np.float32))


@FEW_BLOCKS
def audit(backend):
    """The objective of a fit, and its first row that is not finite."""
    for f, matrix in ((33, rows_of(LENGTHS, COLUMNS)), (1, EMPTY)):
        model = SOLVERS["gpu_cg_1_naive"](factors=f, regularization=0.3)
        X, Y = factors(matrix.shape, f)
        there = backend.to_device(X)
        sides, weights = sides_of(backend, model, matrix), model.weights(matrix)
        got = device_objective(backend, *sides, there, backend.to_device(Y))
        equal(got, objective(*weights, X, Y), 1e-6)
        assert first_not_finite(backend, there) is None
    for row in (11, 43):  # a second round of the blocks, and the last row
        X = factors((44, 1), 33)[0]
        X[row:, 32] = np.nan
        assert first_not_finite(backend, backend.to_device(X)) == row


def residual(backend):
    """Each row's residual, of solutions and of rows that have none."""
    for f, matrix in ((33, rows_of(LENGTHS, COLUMNS)), (1, EMPTY)):
        model = SOLVERS["cholesky"](factors=f, regularization=0.3)
        X, Y = factors(matrix.shape, f)
        X[-1] = 0
        problem = model.weights(matrix)[0].fixing(Y)
        there = (backend.to_device(M) for M in (X, Y))
        got = device_residuals(backend, Side.upload(backend, problem), *there)
        equal(got, relative_residuals(problem, X), 1e-5)


def top_items(backend):
    """The best items of more queries than a block takes, from several tiles and slices."""
    liked = as_csr(sparse.random(40, 300, 0.1, format="csr", random_state=0))
    X, Y = whole_numbers(liked.shape, 20)
    there = (backend.to_device(M) for M in (X, Y))
    ids, _ = device_top_k(backend, *there, 5, liked=rows_on_device(backend, liked))
    equal(backend.to_host(ids), top_k(X, Y, 5, excluded=liked)[0])


def coarse_top_items(backend):
    """The same lists with a coarse score before, where it errs most, and few exact scores."""
    for name in ("queries lose", "items lose", "special", "overflowing", "all at once"):
        gpu_top_k.compare(backend, *gpu_top_k.CASES[name]())
    gpu_top_k.few_are_scored(backend)


def ranking(backend):
    """What held-out items say, of a user with all items, with none seen and with none left."""
    shape = (37, 300)
    rng = np.random.default_rng(0)
    kinds = rng.choice(3, shape, p=[0.8, 0.1, 0.1])  # an item is a negative, seen, or held out
    kinds[0], kinds[1], kinds[2, :290], kinds[2, 290:] = 2, 0, 1, 2
    kinds[1, 299] = 2
    seen, held_out = (sparse.csr_matrix((kinds == kind).astype(np.float32)) for kind in (1, 2))
    X, Y = whole_numbers(shape, 20)
    users = np.flatnonzero(np.diff(held_out.indptr))[::-1].copy()
    there = (backend.to_device(M) for M in (X, Y))
    got = rank_on_device(backend, *there, seen, held_out, users, k=11)
    expected = rank(
        X, Y, seen, held_out, users, k=11, auc=True, block_bytes=1 << 20, num_threads=1
    )  # fmt: skip
    equal(got.top, expected.top)
    equal(got.hits, expected.hits)
    equal(got.areas, expected.areas, 1e-14)


def factors(shape, f):
    """Return factors of users and of items, each (·, f)."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal((rows, f), np.float32) for rows in shape]


def whole_numbers(shape, f):
    """Small whole numbers: every sum is exact, and many scores are equal."""
    rng = np.random.default_rng(0)
    return [rng.integers(-3, 4, (rows, f)).astype(np.float32) for rows in shape]


def tally(backend):
    """Weights of rows of every length, and what rows came to, in two blocks of rows."""
    matrix = rows_of(LENGTHS, COLUMNS)
    side = sides_of(backend, SOLVERS["gpu_cg_1_naive"](factors=1), matrix)[0]
    w = np.split(backend.to_host(side.w), matrix.indptr[1:-1])
    sums, largest, least = row_weights(backend, side)
    equal(sums, [np.sum(part, dtype=np.float64) for part in w], 1e-5)
    equal(largest, [max(part.max(initial=0), 0) for part in w])
    equal(least, [2 if (part < 0).any() else 1 for part in w])
    rng = np.random.default_rng(0)
    ended = np.zeros((9000, 3), np.float32)  # more rows than the blocks take at once
    ended[:, 0] = rng.integers(1, 8, 9000)
    ended[:, 1:] = rng.random((9000, 2))
    added = Tallies()
    for half in (0.1, np.inf):
        stop = Stopping(1, 7, half, half) if half < 1 else Stopping(7, 7, 0.0, 0.0)
        tally = added.next(backend, side)
        for part in (ended[:8500], ended[8500:]):
            tally.add(backend.to_device(part), stop)
    rows = np.count_nonzero(LENGTHS)
    for half, theta in zip(added.report(), (0.1, np.inf), strict=True):
        unsolved = (ended[:, 0] == 7) & (ended[:, 2] > np.float32(theta) * ended[:, 1])
        assert (half.rows, half.steps, half.most_steps) == (rows, ended[:, 0].sum(), 7)
        assert half.unsolved == unsolved.sum()
        equal([half.gained, half.left], ended[:, 1:].sum(axis=0, dtype=np.float64), 1e-12)


def heavy(backend):
    """Squared norms of a fixed side, of which either half may be small, and rows with heavy entries."""
    rng = np.random.default_rng(0)
    matrix = rows_of(LENGTHS, COLUMNS)
    model = SOLVERS["gpu_cg_1_naive"](factors=33, regularization_exponent=0.5)
    side = sides_of(backend, model, matrix)[0]
    w, lam = (backend.to_host(part).astype(np.float64) for part in (side.w, side.lam))
    least = np.repeat(np.int32([1, 2, 1]), [len(lam) // 3, 5, len(lam) - len(lam) // 3 - 5])
    base, slope = rng.uniform(1, 2, (2, 33)).astype(np.float32)
    for stored, wide, coordinates in (("float32", 36, 1), ("float16", 48, 33)):
        Z = rng.normal(size=(COLUMNS, wide)) * np.where(np.arange(wide) < wide / 2, 0.01, 1)
        Z[::2] = Z[::2, ::-1]
        inverse = 1 / (base[:coordinates] + lam[:, None] * slope[:coordinates])
        above = w * np.repeat(inverse.mean(axis=1), np.diff(matrix.indptr))
        size = above * (Z[matrix.indices] ** 2).sum(axis=1)
        Z *= np.sqrt(HEAVY / np.quantile(size, 0.95))
        Z = Z.astype(stored)
        norms = (Z.astype(np.float64) ** 2).sum(axis=1)
        defines = heavy_defines("float32", stored, wide)
        there = squared_norms(backend, backend.to_device(Z), defines, np.float32)
        equal(backend.to_host(there), norms, 1e-6)
        basis = SimpleNamespace(base=backend.to_device(base), slope=backend.to_device(slope))
        rules = rules_of(
            backend, side, there, basis, coordinates, defines, backend.to_device(least)
        )
        found = np.split(above * norms[matrix.indices] > HEAVY, matrix.indptr[1:-1])
        flags = np.array([part.any() for part in found])
        assert 5 < flags.sum() < len(flags) - 5
        equal(backend.to_host(rules), least + 256 * flags)


AROUND = {
    "heavy": heavy,
    "tally": tally,
    "topk": top_items,
    "topk_coarse": coarse_top_items,
    "ranking": ranking,
    "weigh": weigh,
    "overflow": overflow,
    "transpose": transpose,
    "residual": residual,
    "audit": audit,
}
