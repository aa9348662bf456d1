"""What callers pass as attributes: checked before a fit, and made CSR in the factors' dtype."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.errors import InputError, NotEnoughMemory
from halfstep.memory import available, gigabytes
from halfstep.solvers.inputs import as_csr, on_host


def as_features(value: Any, rows: int | None, name: str, dtype: npt.DTypeLike) -> sparse.csr_matrix:
    """Return attributes as canonical CSR (rows, p) in `dtype`, without stored zeros.

    Parameters
    ----------
    value
        Sparse or dense (rows, p), a data frame of numbers, or an object whose `matrix` is one.
    rows
        How many rows it must have; None where any number will do.
    name
        What errors call it.

    Raises
    ------
    InputError
        It is no matrix of numbers, has another number of rows or no columns, or has a number that is
        not finite in `dtype`.
    """
    value = getattr(value, "matrix", value)
    matrix = as_csr(value, name) if sparse.issparse(value) else _dense(value, name)
    if rows is not None and matrix.shape[0] != rows:
        side = name.removesuffix("_features")
        raise InputError(
            f"{name} must have a row for each {side}, {rows}, got shape {matrix.shape}"
        )
    if not matrix.shape[1]:
        raise InputError(f"{name} must have at least one column, got shape {matrix.shape}")
    with np.errstate(over="ignore"):
        data = matrix.data.astype(dtype)
    matrix = sparse.csr_matrix((data, matrix.indices, matrix.indptr), shape=matrix.shape, copy=True)
    finite = np.isfinite(matrix.data)
    if not finite.all():
        at = int(np.argmin(finite))
        row = int(np.searchsorted(matrix.indptr, at, side="right")) - 1
        raise InputError(
            f"{name} must be finite numbers in {np.dtype(dtype).name}, got {matrix.data[at]} "
            f"in row {row}, column {matrix.indices[at]}"
        )
    largest = float(np.abs(matrix.data).max(initial=0))
    if largest > (most := float(np.finfo(dtype).max) ** 0.5 * 1e-3):
        raise InputError(
            f"{name} must be at most {most:.0e} in size, got {largest:.0e}: scale them"
        )
    matrix.eliminate_zeros()
    return matrix


def _dense(value: Any, name: str) -> sparse.csr_matrix:
    if np.ma.isMaskedArray(value) and np.ma.is_masked(value):
        raise InputError(f"{name} must have no masked values: fill them first")
    array = np.asarray(on_host(value, name))
    if array.dtype == np.float16:  # which SciPy's matrices do not take
        array = array.astype(np.float32)
    if array.dtype.kind == "O":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            raise InputError(
                f"{name} must be a matrix of numbers, got objects: encode categories and tags first "
                "(halfstep.datasets.features)"
            ) from None
    if array.dtype.kind not in "fiub":
        raise InputError(
            f"{name} must be a matrix of numbers, got dtype {array.dtype}: encode categories and tags "
            "first (halfstep.datasets.features)"
        )
    if array.ndim != 2:
        raise InputError(f"{name} must have two dimensions, got shape {array.shape}")
    return sparse.csr_matrix(array)


def check_room(F: sparse.csr_matrix, factors: int, name: str) -> None:
    """Raise NotEnoughMemory if W (p, f) and the vectors of its solver do not fit the memory."""
    need = 6 * F.shape[1] * factors * F.dtype.itemsize
    free = available()
    if need > 1 << 26 and free is not None and need > free:
        raise NotEnoughMemory(
            f"{name} has {F.shape[1]} columns: their factors need about {gigabytes(need)} of memory, "
            f"and {gigabytes(free)} are free; take fewer columns, or fewer factors"
        )


def check_overlap(F: sparse.csr_matrix, stored: npt.NDArray[np.bool_], name: str) -> None:
    """Raise InputError if no row with entries has an attribute: the fit could learn nothing of them."""
    if F.nnz and stored.any() and not (np.diff(F.indptr) > 0)[stored].any():
        side = name.removesuffix("_features")
        raise InputError(
            f"{name} must describe {side}s that have entries, got attributes of {_described(F)} "
            f"{side}s, none of which has an entry: are the rows in the order of the matrix?"
        )


def _described(F: sparse.csr_matrix) -> int:
    return int(np.count_nonzero(np.diff(F.indptr)))


def check_strength(value: Any) -> None:
    """Raise InputError unless `value` is a `feature_regularization`."""
    pair = isinstance(value, list | tuple) and len(value) == 2
    for one in value if pair else (value,):
        if one is None and pair:
            continue
        if isinstance(one, Mapping):
            for field, strength in one.items():
                _check_one(strength, f"feature_regularization of {field!r}")
        else:
            _check_one(one, "feature_regularization")


def _check_one(value: Any, name: str) -> None:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(
        value, bool
    )
    if not number or not 0 < value < np.inf:
        raise InputError(
            f"{name} must be a positive number, a mapping of fields to such, or two of these for users "
            f"and items, got {value!r}"
        )


def strength(value: Any, columns: int, fields: Any) -> npt.NDArray[np.float64]:
    """Return mu (columns,) from a side's `feature_regularization`, a number or a mapping.

    `fields` names each column's field, (columns,); None where the attributes came as a plain matrix.

    Raises
    ------
    InputError
        A mapping without fields to apply it to, or of a field that is not there.
    """
    if not isinstance(value, Mapping):
        return np.full(columns, float(value))
    if fields is None:
        raise InputError(
            "feature_regularization by field needs attributes with named fields, as "
            "halfstep.datasets.features encodes them, got a plain matrix"
        )
    named = np.asarray(fields, object)
    unknown = [field for field in value if field != "" and field not in set(named)]
    if unknown:
        known = ", ".join(dict.fromkeys(map(str, named)))
        raise InputError(
            f"feature_regularization must name fields of the attributes ({known}), got {unknown[0]!r}; "
            "for attributes of both sides give a pair, for users and for items"
        )
    value = {"(all)": min(value.values(), default=1.0), **value}  # of the column of ones
    missing = [field for field in dict.fromkeys(named) if field not in value and "" not in value]
    if missing:
        raise InputError(
            "feature_regularization must give a strength to each field, or one for the others under "
            f"'', got none for {missing[0]!r}"
        )
    return np.array([float(value.get(field, value.get("", 0.0))) for field in named])
