"""BM25 and TF-IDF of a matrix, by the names and with the axes of `implicit.nearest_neighbours`.

The formulas stand at the head of `halfstep.solvers.fit.transform`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from halfstep import defaults
from halfstep.errors import InputError
from halfstep.solvers.fit.transform import measured
from halfstep.solvers.inputs import as_csr, check_number


def bm25_weight(
    X: Any, K1: float = defaults.BM25_K1, B: float = defaults.BM25_B
) -> sparse.csr_matrix:
    """Return a matrix weighed by BM25, as `implicit.nearest_neighbours.bm25_weight` does.

    A fit with `transform="bm25"` does this by itself, and to new rows too; this is for other uses.

    Parameters
    ----------
    X : sparse matrix, shape (items, users)
        A row for each *item*: of a matrix (users, items) give the transpose. Not written to.
    K1 : float
        At least 0. Values far above it count as it.
    B : float
        From 0 to 1: how far the weight falls with the sum of the item's values.

    Returns
    -------
    csr_matrix (items, users), float64
        Users who have all items get a weight below 0, as in `implicit`.

    Raises
    ------
    InputError
        `X` is not sparse, or an argument is out of range.

    See Also
    --------
    halfstep.tfidf_weight : The other weight, which has no parameters.
    halfstep.AlternatingLeastSquares : Its `transform="bm25"` weighs inside the fit.

    Notes
    -----
    Robertson and Zaragoza, "The probabilistic relevance framework: BM25 and beyond", 2009 (BM25): here
    an item is a document and a user is a term.

    Examples
    --------
    >>> from halfstep import bm25_weight
    >>> from scipy.sparse import csr_matrix
    >>> plays = csr_matrix([[5, 0, 1, 0], [0, 3, 0, 1], [1, 0, 9, 0]])  # (users, items)
    >>> weighed = bm25_weight(plays.T, K1=100, B=0.8)
    >>> weighed.shape, weighed.nnz
    ((4, 3), 6)
    >>> bool(weighed[2, 2] > weighed[2, 0])  # nine plays of item 2 weigh more than one
    True
    """
    return _weighed(X, "bm25", K1, B)


def tfidf_weight(X: Any) -> sparse.csr_matrix:
    """Return a matrix weighed by TF-IDF, as `implicit.nearest_neighbours.tfidf_weight` does.

    Parameters
    ----------
    X : sparse matrix, shape (items, users)
        A row for each *item*: of a matrix (users, items) give the transpose. Not written to.

    Returns
    -------
    csr_matrix (items, users), float64

    Raises
    ------
    InputError
        `X` is not sparse.

    See Also
    --------
    halfstep.bm25_weight : A weight that stops growing with the value.
    halfstep.AlternatingLeastSquares : Its `transform="tfidf"` weighs inside the fit.

    Examples
    --------
    >>> from halfstep import tfidf_weight
    >>> from scipy.sparse import csr_matrix
    >>> plays = csr_matrix([[4, 0, 1, 0], [0, 4, 0, 0], [0, 0, 9, 0]])  # (users, items)
    >>> tfidf_weight(plays.T).toarray().round(3)
    array([[0.575, 0.   , 0.   ],
           [0.   , 1.386, 0.   ],
           [0.288, 0.   , 2.079],
           [0.   , 0.   , 0.   ]])
    """
    return _weighed(X, "tfidf", defaults.BM25_K1, defaults.BM25_B)


def _weighed(X: Any, name: str, k1: float, b: float) -> sparse.csr_matrix:
    check_number("K1", k1)
    check_number("B", b)
    if b > 1:
        raise InputError(f"B must be from 0 to 1, got {b}")
    item_users = as_csr(X, "X")
    if not item_users.nnz:
        return item_users.astype(np.float64)
    transform = measured(item_users.T.tocsr(), name, k1, b, least_idf=-np.inf)
    return transform.apply(item_users, "item", np.float64)
