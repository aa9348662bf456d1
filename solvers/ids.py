"""Ids and their rows, as callers give them: an index or a list of them, and a sparse row for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.errors import InputError, UnknownId
from halfstep.solvers.matrix import as_csr
from halfstep.types import Floats, Integers

MAX_ID = np.iinfo(np.int32).max - 1


def as_ids(value: int | npt.ArrayLike, name: str) -> tuple[bool, Integers]:
    """Return whether one id was given rather than a list of them, and the ids as (m,) int64."""
    try:
        ids = np.asarray(value)
    except ValueError:  # lists of unequal lengths
        ids = np.asarray(value, object)
    if ids.ndim > 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise InputError(f"{name} must be an index or a list of indices, got {_short(value)}")
    return ids.ndim == 0, np.atleast_1d(ids).astype(np.int64)


def within(ids: Integers, rows: int, name: str) -> Integers:
    """Return `ids`; raise UnknownId unless all are from 0 to rows - 1."""
    outside = (ids < 0) | (ids >= rows)
    if outside.any():
        raise UnknownId(f"{name} must be from 0 to {rows - 1}, got {ids[np.argmax(outside)]}")
    return ids


def rows_of(matrix: Any, rows: int, columns: int, name: str) -> sparse.csr_matrix:
    """Return the sparse rows that belong to `rows` ids as a canonical (rows, columns) CSR matrix.

    Parameters
    ----------
    matrix
        What `as_csr` takes, or for one id a one-dimensional row of a `csr_array`. It may have fewer
        columns than the model has rows on that side: a model that `partial_fit_*` made larger is
        still asked with matrices from before. None of those columns holds an entry then.

    Raises
    ------
    InputError
        Another number of rows, or columns that the model does not have.
    """
    if rows == 1 and sparse.issparse(matrix) and len(matrix.shape) == 1:
        matrix = sparse.coo_array(matrix).reshape(1, -1)
    csr = as_csr(matrix, name)
    if csr.shape[0] != rows or csr.shape[1] > columns:
        raise InputError(
            f"{name} must have one row for each id and at most one column for each row of the other "
            f"side's factors, ({rows}, {columns}), got {csr.shape}"
        )
    if csr.shape[1] < columns:
        csr = sparse.csr_matrix((csr.data, csr.indices, csr.indptr), shape=(rows, columns))
    return csr


def lengths(factors: Floats) -> Floats:
    """Return the length of each row, 1 for a row of zeros: its cosine with anything is then 0."""
    norms: Floats = np.linalg.norm(factors, axis=1)
    return np.where(norms == 0, norms.dtype.type(1), norms)


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
