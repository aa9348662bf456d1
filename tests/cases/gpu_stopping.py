"""Rows that need from one step to many, and what the stopping rule must have done with each of them.

The judge is a dense float64 solution of every row, and the rule itself, written out in NumPy.
"""

import functools
from dataclasses import dataclass
from unittest import mock

import numpy as np
from scipy import sparse

from cases.gpu import rounds
from halfstep import SOLVERS
from halfstep.solvers.fit.start import starting_factors
from halfstep.solvers.inputs import as_csr

RULED = ("gpu_cg_5_binned", "gpu_cg_6_split", "gpu_cg_7_half", "gpu_cg_8_tensor")
COLUMNS, THETA, MOST, LAM = 260, 0.05, 32, 0.3
THETA_HEAVY, HEAVY = 0.01, 10
# Several to a warp, a warp's, a block's, and a hub's.
LENGTHS = (1, 3, 16, 17, 40, 120, 250)
KINDS = {
    "nothing": lambda rng, n: np.zeros(n),
    "mild": lambda rng, n: np.full(n, 1e-3),
    "one": lambda rng, n: rng.uniform(0.5, 1.5, n),
    "one heavy": lambda rng, n: np.where(np.arange(n) == n // 2, 1e6, 1e-3),
    "heavy": lambda rng, n: 10.0 ** rng.uniform(-3, 6, n),
    "settled": lambda rng, n: np.where(np.arange(n) == n // 2, 1e4, 1e-3),
    "heaviest": lambda rng, n: 10.0 ** np.linspace(2, 6, n),
    "negative": lambda rng, n: np.where(np.arange(n) % 3 == 0, -0.9, rng.lognormal(1, 1, n)),
}


@dataclass(frozen=True)
class Outcome:
    """What became of rows: their kinds, the steps, and 2 E of start, end and solution, (rows,) each.

    `gained` and `left` are what the rung says, `expected` the steps of the rule in NumPy; `heavy` says
    which rows have heavy entries.
    """

    kinds: np.ndarray
    steps: np.ndarray
    expected: np.ndarray
    gained: np.ndarray
    left: np.ndarray
    gain: np.ndarray
    rest: np.ndarray
    heavy: np.ndarray


def plays(users=150, items=110, seed=0):
    """Counts of six tastes with a heavy tail: the largest are thousands of times the smallest."""
    rng = np.random.default_rng(seed)
    alike = rng.integers(6, size=users)[:, None] == rng.integers(6, size=items)
    there = rng.random((users, items)) < np.where(alike, 0.75, 0.05) * rng.beta(2, 2, (users, 1))
    return sparse.csr_matrix(np.where(there, np.ceil(rng.pareto(0.7, there.shape) + 1), 0))


def fit_to_compare():
    """Return (counts, settings, objective): of exact half-steps relaxed alike, in float64."""
    matrix = plays()
    start = starting_factors(None, matrix.shape, 32, np.float32, 0)
    settings = {"factors": 32, "iterations": 8, "regularization": 1.0}
    settings |= {"calculate_training_loss": True, "init_factors": start, "relaxation": 1.4}
    whole = {"init_factors": tuple(map(np.float64, start)), "dtype": "float64"}
    exact = SOLVERS["eigenbasis"](exact=True, **{**settings, **whole})
    return matrix, settings, exact.fit(matrix, show_progress=False).loss_history_[-1]


@functools.cache
def rows(f):
    """Return (matrix, kind of each row, Y, start); w is r - 1, by the convention "implicit"."""
    rng = np.random.default_rng(f)
    kinds, lengths, weights = [], [], []
    for n in LENGTHS:
        for kind, draw in KINDS.items():
            kinds.append(kind)
            lengths.append(n)
            weights.append(draw(rng, n))
    shuffled = rng.permutation(len(kinds))  # neighbours in a warp that take different steps
    kinds, lengths = np.array(kinds)[shuffled], np.array(lengths)[shuffled]
    values = np.concatenate([weights[k] for k in shuffled]) + 1
    columns = np.concatenate([rng.choice(COLUMNS, n, replace=False) for n in lengths])
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    matrix = as_csr(sparse.csr_matrix((values, columns, indptr), (len(kinds), COLUMNS)))
    Y, start = rng.normal(size=(COLUMNS, f)), rng.normal(size=(len(kinds), f))
    for u in np.flatnonzero(kinds == "settled"):
        part = slice(matrix.indptr[u], matrix.indptr[u + 1])
        start[u] = settled(Y, Y[matrix.indices[part]], matrix.data[part], start[u])
    return matrix, kinds, Y, start


def settled(Y, y, r, direction):
    """Return a start that fits the heaviest entry all but a little, and nothing else.

    As in a late iteration: a step then gains nearly all there is and leaves a long residual, for that
    entry is its only curvature and the residual's length knows nothing of the gain.
    """
    M = Y.T @ Y + LAM * np.eye(Y.shape[1])
    A = M + y.T @ ((r - 1)[:, None] * y)
    heavy = y[np.argmax(r)]
    across = np.linalg.solve(M, heavy)
    p = direction - heavy @ direction / (heavy @ across) * across
    p /= np.sqrt(p @ M @ p)
    p += np.sqrt(0.02 / r.max()) / (heavy @ across) * across  # w (z.p)^2 is 0.02 of |p|^2
    return np.linalg.solve(A, y.T @ r - 30 * M @ p)


def outcome(name, f=33, dtype="float32", exponent=0.0, **settings):
    """Return what a rung's half-step makes of the rows."""
    matrix, kinds, Y, start = rows(f)
    Y, start = Y.astype(dtype), start.astype(dtype)
    settings = {"regularization": LAM, "regularization_exponent": exponent, **settings}
    model = SOLVERS[name](factors=f, dtype=dtype, **settings)
    users, _ = model.weights(matrix)
    found = []
    note = type(model)._note

    def noted(self, tally, ended, stop):
        from halfstep.kernels.cuda.backend import current

        found.append(current().to_host(ended).astype(np.float64))
        return note(self, tally, ended, stop)

    with mock.patch.object(type(model), "_note", noted):
        X = model.half_step(users.fixing(Y), start)
    assert np.isfinite(X).all()
    ((steps, gained, left),) = (ended.T for ended in found)
    most = settings.get("cg_max_steps", MOST)
    expected, gain, rest, heavy = [], [], [], []
    for u in range(len(kinds)):
        part = slice(matrix.indptr[u], matrix.indptr[u + 1])
        y = Y[matrix.indices[part]].astype(np.float64)
        w = users.w[part].astype(np.float64)
        M = Y.T.astype(np.float64) @ Y + users.lam[u] * np.eye(f)
        A, b = M + y.T @ (w[:, None] * y), y.T @ users.t[part].astype(np.float64)
        solution = np.linalg.solve(A, b)
        least = 2 if (w < 0).any() else 1
        heavy.append((w * np.einsum("if,fi->i", y, np.linalg.solve(M, y.T)) > HEAVY).any())
        theta = settings.get("cg_tolerance", THETA_HEAVY if heavy[-1] else THETA)
        expected.append(steps_by_the_rule(A, b, M, start[u], least, most, theta))
        gain.append(energy(A, start[u] - solution) - energy(A, X[u] - solution))
        rest.append(energy(A, X[u] - solution))
    return Outcome(kinds, steps, *map(np.array, (expected, gained, left, gain, rest, heavy)))


def energy(A, error):
    """Return 2 (E(x) - E*) of a row whose x is so far from its solution."""
    error = error.astype(np.float64)
    return float(error @ A @ error)


def steps_by_the_rule(A, b, M, x, least, most, theta):
    """Return how many preconditioned steps the rule takes, in float64."""
    r = b - A @ x.astype(np.float64)
    p = z = np.linalg.solve(M, r)
    rs, gained = r @ z, 0.0
    for step in range(1, most + 1):
        alpha = rs / (p @ A @ p)
        gained += alpha * rs
        r = r - alpha * (A @ p)
        z = np.linalg.solve(M, r)
        left, rs, before = min(r @ z, abs(1 - alpha) * rs), r @ z, rs
        if step >= least and left <= theta * gained:
            return step
        p = z + rs / before * p
    return most


# Of a row's gain: rounding of weights a million apart, and of a fixed side stored in 11 digits.
SLACK = {"float64": 1e-9, "float32": 2e-4, "float16": 5e-3}


def judge(name, dtype="float32", **settings):
    """Raise AssertionError unless every row went as far as it must, and no further.

    With `cg_tolerance` None, rows with heavy entries must go further than others.
    """
    settings = {"cg_tolerance": THETA, **settings}
    if settings["cg_tolerance"] is None:
        del settings["cg_tolerance"]
    found = outcome(name, dtype=dtype, **settings)
    most = settings.get("cg_max_steps", MOST)
    thetas = np.where(found.heavy, THETA_HEAVY, THETA)
    if "cg_tolerance" in settings:
        thetas = np.full(len(found.kinds), settings["cg_tolerance"])
    half = rounds(name) and dtype == "float32"
    slack = SLACK["float16" if half else dtype]
    solved = found.steps < most
    bounded = found.kinds != "negative"
    assert (found.gain > 0).all()
    for u in np.flatnonzero(bounded & solved):
        said = f"row {u}, {found.kinds[u]}: {found.steps[u]} steps"
        assert found.rest[u] <= (thetas[u] + slack) * found.gain[u], f"{said} left too much"
        assert found.rest[u] <= found.left[u] + slack * found.gain[u], f"{said}: no bound"
    np.testing.assert_allclose(found.gained, found.gain, rtol=slack, err_msg="what was gained")
    assert (found.steps[found.kinds == "nothing"] == 1).all(), "a row without weights: one step"
    assert (found.steps[found.kinds == "mild"] == 1).all(), "a mild row: one step"
    assert (found.steps[found.kinds == "negative"] >= 2).all(), "a negative weight: two steps"
    off = np.abs(found.steps - found.expected)
    # Weights a million apart: directions lose their conjugacy to rounding, and a few more are needed.
    many = found.expected > 5
    # A heavy entry that is settled to a thousandth is not settled in a fixed side of 11 digits.
    few = 0 if dtype == "float64" else (found.expected > 1) | (half & (found.kinds == "settled"))
    allowed = np.where(many, (0.2 if dtype == "float64" else 0.75) * found.expected, few)
    assert (off <= allowed).all(), f"steps {found.steps} in place of {found.expected}"
    return found
