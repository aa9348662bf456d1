"""A matrix by `scipy.sparse.save_npz`, checked before SciPy's compiled code goes by its indices.

`scipy.sparse.load_npz` believes the file: a wrong index is a crash of the process at the first
conversion to another format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.memory import available, gigabytes

_COMPRESSED = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "bsr": sparse.bsr_matrix}


def matrix_of(members: Mapping[str, Any]) -> Any:
    """Return the sparse matrix of an archive's arrays.

    Raises
    ------
    KeyError, TypeError, ValueError
        Arrays are missing or do not belong together.
    """
    stored = members["format"]
    if stored.size != 1 or stored.dtype.kind not in "SU":
        raise ValueError("its format is no name")
    name = stored.reshape(-1)[0]
    form = name.decode("ascii") if isinstance(name, bytes) else str(name)
    shape = _integers(members["shape"], "shape").tolist()
    if len(shape) != 2 or min(shape) < 0:
        raise ValueError(f"its shape must be two numbers from 0, got {shape}")
    data = members["data"]
    check_room(shape)
    if form in _COMPRESSED:
        indices, indptr = (_integers(members[k], k) for k in ("indices", "indptr"))
        matrix = _COMPRESSED[form]((data, indices, indptr), shape=tuple(shape))
        matrix.check_format(full_check=True)
        return matrix
    if form == "coo":
        row, column = (_integers(members[k], k) for k in ("row", "col"))
        return sparse.coo_matrix((data, (row, column)), shape=tuple(shape))
    if form == "dia":
        offsets = _integers(members["offsets"], "offsets")
        return sparse.dia_matrix((data, offsets), shape=tuple(shape))
    raise ValueError(f"its format must be csr, csc, bsr, coo or dia, got {form!r}")


def check_room(shape: list[int]) -> None:
    """Raise ValueError where row pointers and ids alone would not fit in memory."""
    need, free = 32 * sum(shape), available()
    if free is not None and need > free:
        raise ValueError(
            f"a matrix of shape {tuple(shape)} needs {gigabytes(need)}, and {gigabytes(free)} are free"
        )


def _integers(array: Any, name: str) -> Any:
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"its {name} must be a list of integers, got {array.dtype} {array.shape}")
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"its {name} must be below 2^63")
    return array
