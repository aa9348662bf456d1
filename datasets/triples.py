"""Build a canonical CSR matrix from (user, item, value) triples; duplicates are summed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_matrix, csr_matrix

from halfstep.datasets.canonical import addable, canonical_csr
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
        Numbers, shape (n,); 1 if not given. Values of the same user and item are added up, in int64 if
        they are integers.
    name : str
        The data set's name.
    user_ids, item_ids : ndarray, optional
        Ids of the rows or columns. If given, `users` or `items` are row or column numbers already.
    item_names, provenance
        As in `halfstep.Dataset`.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If there are no triples, if lengths differ, or if an id is missing or a value is not finite.

    See Also
    --------
    halfstep.Dataset.from_arrays : Takes times too, and other ways to treat duplicates.

    Examples
    --------
    >>> from halfstep.datasets import from_triples
    >>> plays = from_triples([7, 7, 9], [1, 1, 2], [3, 4, 1])
    >>> plays.interactions.toarray()
    array([[7., 0.],
           [0., 1.]], dtype=float32)
    """
    user_column, item_column = np.asarray(users), np.asarray(items)
    value_column = np.ones(len(user_column), np.uint8) if values is None else np.asarray(values)
    columns = {"users": user_column, "items": item_column, "values": value_column}
    for argument, column in columns.items():
        if column.ndim != 1 or len(column) != len(user_column):
            raise InputError(
                f"{argument} must be one-dimensional and as long as users ({len(user_column)}), "
                f"got shape {column.shape}"
            )
    if len(user_column) == 0:
        raise InputError("users must not be empty, got 0 triples")
    value_column = addable(value_column)
    row_numbers, row_ids = _number(user_column, user_ids, "users")
    column_numbers, column_ids = _number(item_column, item_ids, "items")
    shape = (len(row_ids), len(column_ids))
    matrix = canonical_csr(coo_matrix((value_column, (row_numbers, column_numbers)), shape=shape))
    return Dataset(
        name, matrix, row_ids, column_ids, item_names=item_names, provenance=dict(provenance or {})
    )


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


def shape_of(columns: list[NDArray[Any]], file: object) -> int:
    """Return one more than the largest number in `columns`.

    Raises
    ------
    InputError
        If so few of the numbers occur that they must be ids, not row numbers: nearly all rows of the
        matrix would be empty, and it could exceed the memory.
    """
    present = [column for column in columns if len(column)]
    length = max(int(column.max()) for column in present) + 1
    distinct = sum(len(np.unique(column)) for column in present)
    if length > 100 * distinct + 1000:
        raise InputError(
            f"{file}: users and items must be numbered from 0, got number {length - 1} "
            f"among {distinct} different ones"
        )
    return length


def numbered_matrix(
    users: NDArray[Any], items: NDArray[Any], values: NDArray[Any] | None, shape: tuple[int, int]
) -> csr_matrix:
    """Build a canonical matrix of a given shape, which may have no entries."""
    if len(users) == 0:
        return csr_matrix(shape, dtype=np.float32)
    rows, columns = np.arange(shape[0]), np.arange(shape[1])
    return from_triples(users, items, values, user_ids=rows, item_ids=columns).interactions
