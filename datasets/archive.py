"""A data set as one `.npz` of plain arrays without pickles, which appears whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csr_matrix

from halfstep.datasets.canonical import canonical_csr
from halfstep.errors import InputError
from halfstep.files import whole_file
from halfstep.memory import available, gigabytes
from halfstep.npz import read_arrays

Made = TypeVar("Made")
FORMAT_VERSION = 1
_UNREADABLE = (
    *(OSError, KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError),
    MemoryError,
)
_COMPRESSED = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "bsr": sparse.bsr_matrix}


def write_archive(dataset: Any, path: str | PathLike[str]) -> None:
    """Write a `Dataset` to `path`, which must end in `.npz`: `load` recognises the file by that ending.

    Raises
    ------
    InputError
        `path` has another ending, or the file cannot be written.
    """
    target = Path(path)
    if target.suffix != ".npz":
        raise InputError(f"path must end in .npz, got '{target}'")
    members: dict[str, Any] = {
        "halfstep_dataset": np.int64(FORMAT_VERSION),
        "name": np.array(dataset.name),
        "provenance": np.array(json.dumps(dataset.provenance, sort_keys=True)),
        **_matrix_members("interactions", dataset.interactions),
        **members_of_ids("user_ids", dataset.user_ids),
        **members_of_ids("item_ids", dataset.item_ids),
    }
    if dataset.item_names is not None:
        members |= members_of_ids("item_names", dataset.item_names)
    if dataset.test is not None:
        members |= _matrix_members("test", dataset.test)
    if dataset.times is not None:
        members["times"] = dataset.times
    if dataset.negatives is not None:
        members["negatives"] = dataset.negatives
    with whole_file(target) as file:
        np.savez(file, allow_pickle=False, **members)


def read_archive(path: str | PathLike[str], make: Callable[..., Made]) -> Made:
    """Read a file written by `write_archive` or `scipy.sparse.save_npz`; `make` is the class `Dataset`.

    Raises
    ------
    InputError
        The file is absent, truncated, or holds something else.
    """
    source = Path(path)
    try:
        with source.open("rb") as file:
            members = read_arrays(file)
            if "halfstep_dataset" in members:
                return make(**_from_members(source, members))
            if not {"format", "shape", "data"} <= set(members):
                raise InputError(
                    f"{source}: neither halfstep nor scipy.sparse.save_npz wrote this .npz, "
                    f"it holds {', '.join(sorted(members)[:5]) or 'nothing'}"
                )
            return make(**_plain(source, _checked(matrix_of(members))))
    except FileNotFoundError:
        raise InputError(f"{source}: no such file") from None
    except InputError:
        raise
    except _UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{source}: truncated or not a data set ({reason})") from error


def _plain(source: Path, matrix: csr_matrix) -> dict[str, Any]:
    provenance: dict[str, object] = {
        "format": "npz",
        "files": [source.name],
        "rows": int(matrix.nnz),
        "malformed": {},
    }
    users, items = matrix.shape
    return {
        "name": source.stem,
        "interactions": matrix,
        "user_ids": np.arange(users),
        "item_ids": np.arange(items),
        "provenance": provenance,
    }


def _from_members(source: Path, archive: Any) -> dict[str, Any]:
    version = int(archive["halfstep_dataset"])
    if version != FORMAT_VERSION:
        raise InputError(f"{source}: format version must be {FORMAT_VERSION}, got {version}")
    provenance = json.loads(str(archive["provenance"]))
    if not isinstance(provenance, dict):
        raise InputError(f"{source}: provenance must be a JSON object, got {provenance!r}")
    return {
        "name": str(archive["name"]),
        "interactions": _matrix(archive, "interactions"),
        "user_ids": ids_of(archive, "user_ids"),
        "item_ids": ids_of(archive, "item_ids"),
        "item_names": ids_of(archive, "item_names") if "item_names.ends" in archive else None,
        "test": _matrix(archive, "test") if "test.data" in archive else None,
        "times": _times(archive) if "times" in archive else None,
        "negatives": _negatives(archive) if "negatives" in archive else None,
        "provenance": provenance,
    }


def _matrix_members(key: str, matrix: csr_matrix) -> dict[str, Any]:
    shape = np.asarray(matrix.shape, dtype=np.int64)
    parts = {
        "shape": shape,
        "indptr": matrix.indptr,
        "indices": matrix.indices,
        "data": matrix.data,
    }
    return {f"{key}.{part}": array for part, array in parts.items()}


def _matrix(archive: Any, key: str) -> csr_matrix:
    parts = {part: archive[f"{key}.{part}"] for part in ("data", "indices", "indptr", "shape")}
    return _checked(matrix_of({"format": np.array("csr"), **parts}))


def _times(archive: Any) -> NDArray[np.float64]:
    """Return the times, one for each stored entry; an older file has none."""
    stored, entries = archive["times"], len(archive["interactions.data"])
    if stored.dtype != np.float64 or stored.shape != (entries,):
        raise ValueError(
            f"times must be {entries} numbers in float64, got {stored.dtype} {stored.shape}"
        )
    if np.isinf(stored).any():
        raise ValueError("times must be finite or unknown (NaN)")
    return np.asarray(stored)


def _negatives(archive: Any) -> NDArray[np.int32]:
    """Return the negatives, checked here because the ranking metrics trust their item indices."""
    stored, items = archive["negatives"], int(archive["interactions.shape"][1])
    if stored.ndim != 2 or stored.dtype.kind not in "iu":
        raise ValueError(f"negatives must be rows of integers, got {stored.dtype} {stored.shape}")
    if stored.size and not -1 <= stored.min() <= stored.max() < items:
        raise ValueError(f"negatives must be item indices below {items}, or -1")
    return np.asarray(stored, np.int32)


def _checked(matrix: Any) -> csr_matrix:
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"the values must be real numbers, got {matrix.dtype}")
    rows = csr_matrix(matrix)
    if rows.nnz == 0:
        raise ValueError("the matrix has no entries")
    if not np.isfinite(rows.data).all():
        raise ValueError("the values are not finite real numbers")
    return canonical_csr(rows.astype(np.int64) if rows.dtype.kind in "biu" else rows)


def members_of_ids(key: str, ids: NDArray[Any]) -> dict[str, Any]:
    """Return the arrays of ids or names by their names in an archive."""
    if ids.dtype.kind in "iu":
        return {key: ids}
    # A fixed-width string array takes 4 bytes times the longest name for every item (gigabytes for the
    # full dump), so the strings are stored end to end as UTF-8.
    encoded = [text.encode("utf-8", "surrogatepass") for text in ids.tolist()]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    return {f"{key}.ends": ends, f"{key}.utf8": np.frombuffer(b"".join(encoded), dtype=np.uint8)}


def ids_of(archive: Any, key: str) -> NDArray[Any]:
    """Return ids or names of an archive; KeyError, TypeError, ValueError if there are none such."""
    if key in archive:
        stored: NDArray[Any] = archive[key]
        if stored.ndim != 1 or stored.dtype.kind not in "iu":
            raise ValueError(f"{key} must be a list of integers, got {stored.dtype} {stored.shape}")
        return stored
    buffer, ends = archive[f"{key}.utf8"].tobytes(), archive[f"{key}.ends"].tolist()
    if any(start > end for start, end in zip([0, *ends], ends, strict=False)) or (
        ends and ends[-1] != len(buffer)
    ):
        raise ValueError(f"{key} is cut short")
    strings = np.empty(len(ends), dtype=object)
    for position, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        strings[position] = buffer[start:end].decode("utf-8", "surrogatepass")
    return strings


def matrix_of(members: Mapping[str, Any]) -> Any:
    """Return the sparse matrix of an archive's arrays.

    Raises
    ------
    KeyError, TypeError, ValueError
        Arrays are missing or do not fit together.
    """
    stored = members["format"]
    if stored.size != 1 or stored.dtype.kind not in "SU":
        raise ValueError("its format must be a name")
    name = stored.reshape(-1)[0]
    form = name.decode("ascii") if isinstance(name, bytes) else str(name)
    shape = _integers(members["shape"], "shape").tolist()
    if len(shape) != 2 or min(shape) < 0:
        raise ValueError(f"its shape must be two non-negative numbers, got {shape}")
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
    """Raise ValueError if the row pointers and ids of a matrix of this shape would not fit in memory."""
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
