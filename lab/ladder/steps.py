"""The exercises of the CPU's rungs: when a row has taken enough steps, and a sweep over subspaces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from halfstep.lab.ladder.comparing import rows, whole_number
from halfstep.lab.ladder.exercise import Exercise, Problem
from halfstep.lab.reference import ALPHA, REGULARIZATION, Array, toy


def _course(A: Array, b: Array, x: Array) -> Iterator[tuple[float, float, float]]:
    """Yield of each step its length, |r|^2 before it and |r|^2 after it."""
    r = b - A @ x
    p, rr = r, float(r @ r)
    while rr > 1e-24 * float(b @ b):
        Ap = A @ p
        length = rr / float(p @ Ap)
        r = r - length * Ap
        before, rr = rr, float(r @ r)
        yield length, before, rr
        p = r + rr / before * p


def _counted(
    A: Array,
    b: Array,
    x: Array,
    theta: float,
    *,
    tightens: bool = True,
    by_old: bool = False,
    of_last: bool = False,
    unscaled: bool = False,
) -> int:
    g, gained, taken = 1.0, 0.0, 0
    for length, before, after in _course(A, b, x):
        taken += 1
        gain = before if unscaled else length * before
        gained = gain if of_last else gained + gain
        gap = g - length
        new = gap / (gap + after / before) if gap > 0 else 0.0
        left = gap * before if by_old else (new if tightens else 1.0) * after
        if left <= theta * gained:
            break
        g = new if tightens else 1.0
    return taken


def _against_right_side(A: Array, b: Array, x: Array, theta: float) -> int:
    taken = 0
    for _, _, after in _course(A, b, x):
        taken += 1
        if after <= theta * float(b @ b):
            break
    return taken


def _rule_problems() -> list[Problem]:
    rng = np.random.default_rng(28)
    found = []
    for name, entries, heaviest, theta in (
        ("mild weights", 6, 0.5, 0.02),
        ("heavy weights", 30, 1.5, 0.02),
        ("heavy weights, theta 0.001", 30, 1.5, 0.001),
        ("very heavy weights", 40, 2.2, 0.02),
        ("very heavy weights, theta 0.2", 40, 2.2, 0.2),
    ):
        Z = rng.standard_normal((entries, 24)) / 4
        w = 10 ** rng.uniform(-1, heaviest, entries)
        A = np.eye(24) + (Z.T * w) @ Z
        found.append(Problem(name, (A, Z.T @ (w + 1), rng.standard_normal(24) / 9, theta)))
    A, x = 2 * np.eye(3), np.array([1.0, -2.0, 0.5])
    return [*found, Problem("from the solution", (A, A @ x, x, 0.02))]


STEPS_TAKEN = Exercise(
    what="when a row has taken enough steps",
    returns="a whole number",
    problems=_rule_problems,
    right=_counted,
    mistakes={
        "g stays 1": lambda *of: _counted(*of, tightens=False),
        "the old residual bounds what is left": lambda *of: _counted(*of, by_old=True),
        "only the last step's gain counts": lambda *of: _counted(*of, of_last=True),
        "a step is taken to gain |r|^2, without its length": lambda *of: _counted(
            *of, unscaled=True
        ),
        "the residual is compared with b, not with the gains": _against_right_side,
        "theta is left out": lambda A, b, x, theta: _counted(A, b, x, 1.0),
        "the last step is not counted": lambda *of: max(0, _counted(*of) - 1),
        "one step is counted too many": lambda *of: _counted(*of) + 1,
    },
    compare=whole_number,
    one_tells=False,
)


def _sweep(
    Y: Array,
    plays: Any,
    alpha: float,
    regularization: float,
    X: Array,
    block: int,
    *,
    seen: bool = True,
    moves: bool = True,
    coupled: bool = True,
    whole_only: bool = False,
    excess: float = 1.0,
    lam_of_x: float = 1.0,
) -> Array:
    f = Y.shape[1]
    result: Array = X.copy()
    for row, r in enumerate(plays.toarray()):
        stored = r > 0
        Z, c = Y[stored], 1 + alpha * r[stored]
        shared = Y.T @ Y + (Z.T * (c - excess)) @ Z
        start = X[row].copy()
        for first in range(0, f - block + 1 if whole_only else f, block):
            B = slice(first, first + block)
            now = result[row] if seen else start
            A = shared[B, B] + regularization * np.eye(len(shared[B]))
            residual = (Z.T @ c - shared @ now)[B] - lam_of_x * regularization * now[B]
            if not coupled:
                residual = (Z.T @ c)[B] - A @ now[B]
            d = np.linalg.solve(A, residual)
            result[row, B] = (now[B] if moves else 0) + d
    return result


def _sweep_problems() -> list[Problem]:
    from scipy.sparse import csr_matrix

    problem = toy()
    some = problem.plays.any(axis=1)
    plays, X, Y = problem.plays[some], problem.X[some], problem.Y
    names = {
        2: "blocks of 2",
        3: "blocks of 3, the last one of 1",
        1: "blocks of 1",
        4: "one block",
    }
    return [
        Problem(name, (Y, csr_matrix(plays), ALPHA, REGULARIZATION, X, block))
        for block, name in names.items()
    ]


SUBSPACE_HALF_STEP = Exercise(
    what="one sweep over blocks of coordinates (iALS++)",
    returns="an array of shape (10, 4)",
    problems=_sweep_problems,
    right=_sweep,
    mistakes={
        "a block does not see what the blocks before it changed": lambda *of: _sweep(
            *of, seen=False
        ),
        "the block becomes d, not x + d": lambda *of: _sweep(*of, moves=False),
        "the residual leaves the other blocks out": lambda *of: _sweep(*of, coupled=False),
        "the residual lacks lambda x": lambda *of: _sweep(*of, lam_of_x=0.0),
        "stored entries add c instead of c - 1 to Y'Y": lambda *of: _sweep(*of, excess=0.0),
        "nothing is changed": lambda Y, plays, alpha, regularization, X, block: X,
        "lambda is left out": lambda Y, plays, alpha, lam, X, block: _sweep(
            Y, plays, alpha, 1e-12, X, block
        ),
        "the last, shorter block is left out": lambda *of: _sweep(*of, whole_only=True),
    },
    compare=rows,
)
