"""ALS with prior means, as the formulas say it: dense, in float64, row by row."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

LAM, MU = 0.7, 2.0
USERS, ITEMS, FACTORS = 60, 40, 5
CONFIDENCES = ("implicit", "linear", "log", "binary", "explicit")


class Fitted(NamedTuple):
    X: Any
    Y: Any
    W: Any
    V: Any
    objective: float


def data() -> tuple[sparse.csr_matrix, sparse.csr_matrix, Any]:
    """Return entries with an empty row and an empty column, sparse and dense attributes."""
    R = sparse.random(USERS, ITEMS, density=0.15, random_state=1, format="lil")
    R[5] = 0
    R[:, 7] = 0
    R = R.tocsr()
    R.data = np.ceil(R.data * 9)
    F = sparse.random(USERS, 7, density=0.4, random_state=2, format="csr")
    return R, F, np.random.default_rng(0).standard_normal((ITEMS, 3))


def alpha(confidence: str) -> float:
    return 2.0 if confidence in ("implicit", "linear", "log") else 1.0


def start(dtype: Any = np.float64) -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    X, Y = (rng.random((n, FACTORS)) * 0.01 for n in (USERS, ITEMS))
    return X.astype(dtype), Y.astype(dtype)


def cells(confidence: str, R: Any, a0: float = 0.1) -> tuple[Any, Any, float]:
    """Return c and p of all cells, and the part of sum c p^2 that the objective leaves out."""
    stored, a = R != 0, alpha(confidence)
    if confidence == "implicit":
        return np.where(stored, a * R, 1.0), stored * 1.0, 0.0
    if confidence == "linear":
        return 1 + a * R, stored * 1.0, 0.0
    if confidence == "log":
        return 1 + a * np.log1p(R), stored * 1.0, 0.0
    if confidence == "binary":
        c = 1 + a0
        return np.where(stored, c, a0), stored / c, float(stored.sum()) * (1 - 1 / c)
    return stored * 1.0, R, 0.0


def fit(confidence: str, iterations: int, F: Any, G: Any, exponent: float = 0.0) -> Fitted:
    R = data()[0].toarray()
    C, P, apart = cells(confidence, R)
    a0 = {"binary": 0.1, "explicit": 0.0}.get(confidence, 1.0)
    lam_u = LAM * ((R != 0).sum(1) + a0 * ITEMS) ** exponent
    lam_i = LAM * ((R != 0).sum(0) + a0 * USERS) ** exponent
    of_users, of_items = (R != 0).any(1), (R != 0).any(0)
    F, G = (np.zeros((n, 1)) if one is None else one for n, one in ((USERS, F), (ITEMS, G)))
    F, G = (one.toarray() if sparse.issparse(one) else one for one in (F, G))
    X, Y = start()
    W, V = np.zeros((F.shape[1], FACTORS)), np.zeros((G.shape[1], FACTORS))
    for _ in range(iterations):
        X = _rows(C, P, X, Y, F @ W, lam_u, of_users)
        W = _regression(F, X, lam_u * of_users)
        Y = _rows(C.T, P.T, Y, X, G @ V, lam_i, of_items)
        V = _regression(G, Y, lam_i * of_items)
    objective = (C * (P - X @ Y.T) ** 2)[np.ix_(of_users, of_items)].sum() + apart
    for lam, rows, A, B, K in ((lam_u, of_users, X, F, W), (lam_i, of_items, Y, G, V)):
        objective += (lam[rows, None] * (A - B @ K)[rows] ** 2).sum() + MU * (K**2).sum()
    X = np.where(of_users[:, None], X, F @ W)
    Y = np.where(of_items[:, None], Y, G @ V)
    return Fitted(X, Y, W, V, float(objective))


def _rows(C: Any, P: Any, X: Any, Y: Any, means: Any, lam: Any, stored: Any) -> Any:
    solved = np.zeros_like(X)
    for u in np.flatnonzero(stored):
        A = (Y.T * C[u]) @ Y + lam[u] * np.eye(FACTORS)
        solved[u] = np.linalg.solve(A, Y.T @ (C[u] * P[u]) + lam[u] * means[u])
    return solved


def _regression(F: Any, X: Any, lam: Any) -> Any:
    A = (F.T * lam) @ F + MU * np.eye(F.shape[1])
    return np.linalg.solve(A, (F.T * lam) @ X)
