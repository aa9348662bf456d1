"""From (user, item, value) triples to a canonical CSR matrix, duplicates summed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_matrix, csr_matrix, sparray, spmatrix

from halfstep.datasets.dataset import Dataset
from halfstep.errors import InputError


def from_triples(
    users: ArrayLike,
    items: ArrayLike,
    values: ArrayLike | None = None,
    *,
    name: str = "triples",
    user_ids: NDArray[Any] | None = None,
    item_ids: NDArray[Any] | None = None,
    item_names: NDArray[Any] | None = None,
    provenance: dict[str, object] | None = None,
) -> Dataset:
    """Build a data set from one triple per observation.

    Parameters
    ----------
    users, items : array_like
        Original ids (integers or str), shape (n,). Rows and columns are numbered by ascending id.
    values : array_like, optional
        Numbers, shape (n,); 1 if not given. Those of the same user and item are added up, in int64 if
        they are integers.
    user_ids, item_ids : ndarray, optional
        With these, `users` or `items` are row or column numbers already, and this is what they number.
    item_names, provenance
        As in `Dataset`.

    Raises
    ------
    InputError
        If there are no triples, if lengths differ, or if an id is missing or a value is not finite.
    """
    user_column, item_column = np.asarray(users), np.asarray(items)
    value_column = np.ones(len(user_column), np.int64) if values is None else np.asarray(values)
    columns = {"users": user_column, "items": item_column, "values": value_column}
    for argument, column in columns.items():
        if column.ndim != 1 or len(column) != len(user_column):
            raise InputError(
                f"{argument} must be one-dimensional and as long as users ({len(user_column)}), "
                f"got shape {column.shape}"
            )
    if len(user_column) == 0:
        raise InputError("users must not be empty, got 0 triples")
    value_column = _summable(value_column)
    rows, row_ids = _number(user_column, user_ids, "users")
    columns_, column_ids = _number(item_column, item_ids, "items")
    shape = (len(row_ids), len(column_ids))
    matrix = canonical_csr(coo_matrix((value_column, (rows, columns_)), shape=shape))
    return Dataset(
        name, matrix, row_ids, column_ids, item_names=item_names, provenance=dict(provenance or {})
    )


def canonical_csr(matrix: spmatrix | sparray) -> csr_matrix:
    """Return the matrix in the form that `Dataset` promises; duplicates are added in its own dtype."""
    result = csr_matrix(matrix)
    result.sum_duplicates()
    with np.errstate(over="ignore"):  # a value beyond float32 becomes inf there and stays float64
        single = result.data.astype(np.float32)
    exact = bool(np.array_equal(single.astype(np.float64), result.data.astype(np.float64)))
    small = max(*result.shape, result.nnz) <= np.iinfo(np.int32).max
    index = np.int32 if small else np.int64
    compact = csr_matrix(result.shape, dtype=np.float32 if exact else np.float64)
    # Assigned, not passed to the constructor, which would choose an index type of its own.
    compact.data = single if exact else result.data.astype(np.float64)
    compact.indices = result.indices.astype(index, copy=False)
    compact.indptr = result.indptr.astype(index, copy=False)
    compact.has_canonical_format = True
    return compact


def _summable(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "b":
        return values.astype(np.int64)
    if values.dtype.kind in "iu":
        bound = max(abs(int(values.min())), abs(int(values.max()))) * len(values)
        # Beyond this, adding in int64 could wrap round without a word.
        return values.astype(np.int64 if bound < 2**63 else np.float64)
    if values.dtype.kind != "f":
        raise InputError(f"values must be numbers, got dtype {values.dtype}")
    finite = np.isfinite(values)
    if not finite.all():
        where = int(np.argmin(finite))
        raise InputError(f"values must be finite, got {values[where]} at position {where}")
    return values.astype(np.float64, copy=False)


def _number(
    column: NDArray[Any], ids: NDArray[Any] | None, argument: str
) -> tuple[NDArray[Any], NDArray[Any]]:
    import pandas as pd

    if ids is not None:
        if column.dtype.kind not in "iu" or column.min() < 0 or column.max() >= len(ids):
            raise InputError(
                f"{argument} must be indices into the {len(ids)} ids that come with it"
            )
        return column, ids
    if column.dtype.kind not in "iu":
        column = column.astype(object)
        missing = pd.isna(column)
        if missing.any():
            where = int(np.argmax(missing))
            raise InputError(
                f"{argument} must not be missing, got {column[where]} at position {where}"
            )
        if not all(isinstance(value, str) for value in column):
            raise InputError(f"{argument} must be integers or strings, got dtype {column.dtype}")
    codes, uniques = pd.factorize(column, sort=True)
    small = len(uniques) <= np.iinfo(np.int32).max
    return codes.astype(np.int32 if small else np.int64), np.asarray(uniques)
