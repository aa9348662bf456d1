"""The exercises of products and factors: what is multiplied in which order, and where it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from halfstep.lab.judging import Judged
from halfstep.lab.ladder.comparing import rows
from halfstep.lab.ladder.exercise import Call, Exercise, Function, Problem, judge_memory
from halfstep.lab.reference import Array

Numbers: TypeAlias = npt.NDArray[Any]
TILE = 16


def _product(Z: Array, w: Array, p: Array, *, own: float = 1.0, power: float = 1.0) -> Array:
    """Return own p + Z'W^power (Z p)."""
    return np.asarray(own * p + Z.T @ (w**power * (Z @ p)))


def _rows_of_entries() -> list[Problem]:
    rng = np.random.default_rng(17)
    return [
        Problem(
            f"{n} entries, {f} factors",
            (rng.standard_normal((n, f)) / 2, rng.uniform(0.5, 5, n), rng.standard_normal(f)),
        )
        for n, f in ((1, 3), (7, 5), (3, 8))
    ]


def _without_a_matrix(function: Function) -> Iterator[Call]:
    n, f = 4, 700
    rng = np.random.default_rng(18)
    arguments = rng.standard_normal((n, f)), rng.uniform(0.5, 5, n), rng.standard_normal(f)

    def judge() -> Judged:
        said = (
            f"as if it formed the matrix of {f} x {f} numbers; the vectors and the entries take "
            f"{8 * f * (n + 2):,}"
        )
        return judge_memory(lambda: function(*arguments), 4 * f * f, "no matrix (f, f)", said)

    yield f"{n} entries, {f} factors", f"an array of shape ({f},)", judge


WHITENED_PRODUCT = Exercise(
    what="A p from a row's entries, without A",
    returns="an array (f,)",
    problems=_rows_of_entries,
    right=_product,
    mistakes={
        "p itself, the part of I, is left out": lambda *of: _product(*of, own=0.0),
        "the weights are left out": lambda *of: _product(*of, power=0.0),
        "the weights are multiplied twice": lambda *of: _product(*of, power=2.0),
        "the root of the weights is taken": lambda *of: _product(*of, power=0.5),
        "p is added once for each entry": lambda Z, w, p: _product(Z, w, p, own=float(len(w))),
        "p is subtracted": lambda *of: _product(*of, own=-1.0),
    },
    compare=rows,
    more=_without_a_matrix,
)


def _by_tiles(
    A: Numbers,
    B: Numbers,
    *,
    of_a: Any = np.float16,
    of_b: Any = np.float16,
    total: Any = np.float32,
) -> Numbers:
    A, B = A.astype(of_a), B.astype(of_b)
    C = np.zeros((len(A), B.shape[1]), total)
    for k in range(0, A.shape[1], TILE):
        tiles = A[:, k : k + TILE].astype(np.float64) @ B[k : k + TILE].astype(np.float64)
        C = (C + tiles.astype(np.float32)).astype(total)
    return C


def _one_by_one(A: Numbers, B: Numbers) -> Numbers:
    A, B = (M.astype(np.float16).astype(np.float32) for M in (A, B))
    C = np.zeros((len(A), B.shape[1]), np.float32)
    for a, b in zip(A.T, B, strict=True):
        C += np.outer(a, b)
    return C


def _to_multiply() -> list[Problem]:
    """Return two products: one shows what is rounded, the other in which order the sum is formed.

    In the second one the first tile's product is 2^24, from where on float32 holds even numbers only.
    The products of the other tiles are exactly 1, 2 and 4, in whichever order their terms are added.
    """
    rng = np.random.default_rng(19)
    rounded = Problem(
        "numbers that float16 must round",
        (
            rng.standard_normal((5, 48)).astype(np.float32),
            rng.standard_normal((48, 3)).astype(np.float32),
        ),
    )
    tiles = 65
    A, B = np.zeros((2, TILE * tiles), np.float32), np.zeros((TILE * tiles, 2), np.float32)
    A[:, 0] = B[0] = 4096
    A[:, TILE:] = [[0.25], [0.5]]
    B[TILE:] = [0.5, 0.25]
    return [rounded, Problem("a large sum, and small products after it", (A, B))]


TENSOR_CORE_PRODUCT = Exercise(
    what="a product in float16, summed in float32 by tiles",
    returns="an array (m, n)",
    problems=_to_multiply,
    right=_by_tiles,
    mistakes={
        "nothing is rounded to float16": lambda A, B: _by_tiles(A, B, of_a=A.dtype, of_b=B.dtype),
        "A is not rounded to float16": lambda A, B: _by_tiles(A, B, of_a=A.dtype),
        "B is not rounded to float16": lambda A, B: _by_tiles(A, B, of_b=B.dtype),
        "the sum is in float16": lambda A, B: _by_tiles(A, B, total=np.float16),
        "the sum is in float64": lambda A, B: _by_tiles(A, B, total=np.float64),
        "the products of a tile are added to the sum one by one": _one_by_one,
        "the whole product is formed at once, not by tiles": lambda A, B: (
            A.astype(np.float16).astype(np.float32) @ B.astype(np.float16).astype(np.float32)
        ),
        "only the first tile is multiplied": lambda A, B: _by_tiles(A[:, :TILE], B[:TILE]),
    },
    compare=rows,
)


def _packed(L: Array) -> Array:
    return np.asarray(L[np.tril_indices(len(L))])


def _factor(A: Array) -> Array:
    return np.asarray(np.linalg.cholesky(np.tril(A) + np.tril(A, -1).T))


def _inverted_diagonal(A: Array) -> Array:
    L = _factor(A)
    np.fill_diagonal(L, 1 / np.diag(L))
    return L


def _systems() -> list[Problem]:
    rng = np.random.default_rng(20)
    found = []
    for f in (3, 1, 6):
        Z = rng.standard_normal((f + 2, f))
        found.append(Problem(f"order {f}", (np.tril(Z.T @ Z + 0.5 * np.eye(f)),)))
    return found


PACKED_CHOLESKY = Exercise(
    what="Cholesky's factor as a packed triangle",
    returns="an array (f (f + 1) / 2,)",
    problems=_systems,
    right=lambda A: _packed(_factor(A)),
    mistakes={
        "the triangle is stored column after column": lambda A: _factor(A).T[
            np.triu_indices(len(A))
        ],
        "A itself is packed": _packed,
        "the diagonal holds 1 / L[j, j], which the kernel keeps there": lambda A: _packed(
            _inverted_diagonal(A)
        ),
        "the diagonal is not the root: L D L' = A": lambda A: _packed(
            _factor(A) * np.diag(_factor(A))
        ),
        "the diagonal is 1: L D L' = A": lambda A: _packed(_factor(A) / np.diag(_factor(A))),
        "the upper triangle of A is taken, which is empty": lambda A: _packed(
            np.linalg.cholesky(np.diag(np.diag(A)))
        ),
        "L is not multiplied: only the first column is subtracted": lambda A: _packed(
            _by_first_column(A)
        ),
    },
    compare=rows,
)


def _by_first_column(A: Array) -> Array:
    """Return the factor that forgets to subtract the products of all columns but the first one."""
    A = np.tril(A) + np.tril(A, -1).T
    L = np.zeros_like(A)
    for j in range(len(A)):
        column = A[:, j] - L[:, 0] * L[j, 0]
        L[j:, j] = column[j:] / np.sqrt(np.abs(column[j]))
    return L
