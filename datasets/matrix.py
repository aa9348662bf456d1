"""From a sparse matrix in memory to the fields of a data set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, issparse

from halfstep.datasets.canonical import addable, canonical_csr
from halfstep.datasets.tables.frames import arrow_column, text_roles
from halfstep.datasets.tables.ids import number_ids
from halfstep.datasets.tables.options import TableOptions
from halfstep.datasets.tables.reading import Reading
from halfstep.errors import InputError


def matrix_fields(
    matrix: Any,
    user_ids: Any,
    item_ids: Any,
    item_names: Any,
    name: str,
    options: TableOptions,
    reading: Reading | None = None,
) -> dict[str, Any]:
    """Return the arguments of `Dataset` for a users x items matrix, whose empty rows stay.

    Raises
    ------
    InputError
        `matrix` is not sparse and two-dimensional, has no entries or a value that is not finite or, if
        `options` do not say what to do with it, below 0; or ids are missing, too few or there twice.
    """
    if not issparse(matrix) or matrix.ndim != 2:
        raise InputError(f"matrix must be a SciPy sparse matrix, got {type(matrix).__name__}")
    if matrix.nnz == 0:
        raise InputError(f"matrix must have entries, got none in shape {matrix.shape}")
    reading = reading or Reading("matrix", [])
    reading.rows = int(matrix.nnz)
    given = _with_values(matrix)
    if given.data.min() < 0 and options.negative != "keep":
        given = _without_negative(coo_matrix(given), reading, options)
    interactions = canonical_csr(given)
    reading.duplicates = int(given.nnz - interactions.nnz)
    reading.duplicates_rule = "added"
    users, items = interactions.shape
    names = None
    if item_names is not None:
        names = np.array(["" if one is None else str(one) for one in item_names], dtype=object)
    return {
        "name": name,
        "interactions": interactions,
        "user_ids": _matrix_ids(user_ids, users, "user", reading),
        "item_ids": _matrix_ids(item_ids, items, "item", reading),
        "item_names": names,
        "provenance": reading.provenance(),
    }


def _with_values(matrix: Any) -> Any:
    """Return CSR, CSC or COO of a sparse matrix; its values, all finite, can be added.

    Raises InputError for a value that is not finite.
    """
    compressed = matrix.format in ("csr", "csc")
    given = matrix if compressed else coo_matrix(matrix)
    stored = given.data[: given.nnz]
    values = addable(stored)
    if values is stored:
        return given
    places = (given.indices, given.indptr) if compressed else ((given.row, given.col),)
    return type(given)((values, *places), shape=given.shape, copy=False)


def _without_negative(coo: coo_matrix, reading: Reading, options: TableOptions) -> coo_matrix:
    """Return the entries that are not below 0, or raise InputError if they are not to be left out."""
    values = coo.data
    negative = values < 0
    if options.negative == "error":
        first = int(np.argmax(negative))
        raise InputError(
            f"matrix: {int(negative.sum())} of {len(values)} values are below 0, the first is "
            f"{values[first]} in row {coo.row[first]}, column {coo.col[first]}; leave these out with "
            "--negative drop, or take them as they are with --negative keep (in Python negative=)"
        )
    reading.leave_out("negative value", int(negative.sum()))
    kept = ~negative
    if not kept.any():
        raise InputError("matrix: no entry is left, all values are below 0")
    return coo_matrix((values[kept], (coo.row[kept], coo.col[kept])), shape=coo.shape)


def _matrix_ids(ids: Any, count: int, role: str, reading: Reading) -> NDArray[Any]:
    """Return the ids of a matrix's rows or columns, which are their numbers if none are given."""
    if ids is None:
        return np.arange(count)
    argument = f"{role}_ids"
    column = arrow_column(ids, argument)
    if len(column) != count:
        raise InputError(f"{argument} must have {count} ids, got {len(column)}")
    text = role in text_roles({"user": column, "item": column})
    numbered = number_ids(column, argument, role, text=text)
    reading.notes += numbered.notes
    if (numbered.places < 0).any():
        where = int(np.argmax(numbered.places < 0))
        raise InputError(
            f"{argument} must not be missing, got {column[where].as_py()!r} at {where}"
        )
    if len(numbered.ids) != count:
        first = np.flatnonzero(np.bincount(numbered.places) > 1)[0]
        raise InputError(f"{argument} must differ, got {numbered.ids[first]!r} twice")
    ordered: NDArray[Any] = numbered.ids[numbered.places]
    return ordered
