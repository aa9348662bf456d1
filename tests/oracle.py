"""The objective and the half-step as dense float64 formulas, written from the papers' definitions."""

import numpy as np


def confidence_and_preference(r, confidence, alpha=1.0, epsilon=1.0, background=None):
    """Return (c, p) of stored values r, and a0; for "binary" the weight on top of the background."""
    p = np.where(r > 0, 1.0, 0.0)
    if confidence == "implicit":
        return np.abs(alpha * r), p, 1.0
    if confidence == "linear":
        return 1 + alpha * np.abs(r), p, 1.0
    if confidence == "log":
        return 1 + alpha * np.log(1 + np.abs(r) / epsilon), p, 1.0
    if confidence == "explicit":
        return np.ones_like(r), r, 0.0
    assert confidence == "binary"
    return np.ones_like(r), np.ones_like(r), background


def ridge(stored, background, regularization, exponent):
    return regularization * (stored.sum(axis=1) + background * stored.shape[1]) ** exponent


def solve(matrix, Y, *, regularization, exponent=0.0, **convention):
    """Return the exact half-step, row by row, all entries of every row written out."""
    R, stored = matrix.toarray().astype(np.float64), stored_mask(matrix)
    c, p, a0 = confidence_and_preference(R, **convention)
    lam = ridge(stored, a0, regularization, exponent)
    Y = Y.astype(np.float64)
    X = np.zeros((len(R), Y.shape[1]))
    for u in np.flatnonzero(stored.any(axis=1)):
        if convention["confidence"] == "binary":
            weight = a0 + stored[u] * c[u]
            target = stored[u] * c[u] * p[u]
        else:
            weight = np.where(stored[u], c[u], a0)
            target = np.where(stored[u], c[u] * p[u], 0)
        A = Y.T @ np.diag(weight) @ Y + lam[u] * np.eye(Y.shape[1])
        X[u] = np.linalg.lstsq(A, Y.T @ target, rcond=None)[0]
    return X


def objective(matrix, X, Y, *, regularization, exponent=0.0, **convention):
    """Return the objective with every entry of the matrix in the sum."""
    R, stored = matrix.toarray().astype(np.float64), stored_mask(matrix)
    c, p, a0 = confidence_and_preference(R, **convention)
    Z = X.astype(np.float64) @ Y.astype(np.float64).T
    if convention["confidence"] == "binary":
        loss = np.sum(stored * c * (p - Z) ** 2) + a0 * np.sum(Z**2)
    else:
        loss = np.sum(np.where(stored, c * (p - Z) ** 2, a0 * Z**2))
    users = ridge(stored, a0, regularization, exponent)
    items = ridge(stored.T, a0, regularization, exponent)
    return loss + users @ (X**2).sum(axis=1) + items @ (Y**2).sum(axis=1)


def stored_mask(matrix):
    mask = np.zeros(matrix.shape, bool)
    coo = matrix.tocoo()
    mask[coo.row, coo.col] = True
    return mask


def transformed(matrix, transform, k1=100.0, b=0.8):
    """Return BM25 or TF-IDF of a sparse matrix (users, items), dense; values keep their signs."""
    R = matrix.toarray().astype(np.float64)
    items, lengths = R.shape[1], np.abs(R).sum(axis=0)
    result = np.zeros_like(R)
    for u, i in zip(*np.nonzero(R), strict=True):
        size = abs(R[u, i])
        idf = max(0.0, np.log(items / (1 + np.count_nonzero(R[u]))))
        if transform == "tfidf":
            size = np.sqrt(size)
        else:
            size *= (k1 + 1) / (k1 * (1 - b + b * lengths[i] / lengths.mean()) + size)
        result[u, i] = np.sign(R[u, i]) * size * idf
    return result
