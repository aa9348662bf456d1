"""One `.npz` for one data set: arrays only, no pickles, written under another name and then renamed."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from halfstep.datasets.builder import canonical_csr
from halfstep.datasets.dataset import Dataset
from halfstep.datasets.scipy_archive import matrix_of
from halfstep.errors import InputError
from halfstep.files import whole_file
from halfstep.npz import read_arrays

FORMAT_VERSION = 1
_UNREADABLE = (
    *(OSError, KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError),
    MemoryError,
)


def write_archive(dataset: Dataset, path: str | PathLike[str]) -> None:
    """Write `dataset` to `path`, which must end in `.npz` since that is how it is recognised again."""
    target = Path(path)
    if target.suffix != ".npz":
        raise InputError(f"path must end in .npz, got '{target}'")
    members: dict[str, Any] = {
        "halfstep_dataset": np.int64(FORMAT_VERSION),
        "name": np.array(dataset.name),
        "provenance": np.array(json.dumps(dataset.provenance, sort_keys=True)),
        **_matrix_members("interactions", dataset.interactions),
        **_id_members("user_ids", dataset.user_ids),
        **_id_members("item_ids", dataset.item_ids),
    }
    if dataset.item_names is not None:
        members |= _id_members("item_names", dataset.item_names)
    if dataset.test is not None:
        members |= _matrix_members("test", dataset.test)
    if dataset.negatives is not None:
        members["negatives"] = dataset.negatives
    with whole_file(target) as file:
        np.savez(file, allow_pickle=False, **members)


def read_archive(path: str | PathLike[str]) -> Dataset:
    """Read what `write_archive` or `scipy.sparse.save_npz` wrote."""
    source = Path(path)
    try:
        with source.open("rb") as file:
            members = read_arrays(file)
            if "halfstep_dataset" in members:
                return _from_members(source, members)
            if not {"format", "shape", "data"} <= set(members):
                raise InputError(
                    f"{source}: neither halfstep nor scipy.sparse.save_npz wrote this .npz, "
                    f"it holds {', '.join(sorted(members)[:5]) or 'nothing'}"
                )
            return _plain(source, _checked(matrix_of(members)))
    except FileNotFoundError:
        raise InputError(f"{source}: no such file") from None
    except InputError:
        raise
    except _UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{source}: truncated or not a data set ({reason})") from error


def _plain(source: Path, matrix: csr_matrix) -> Dataset:
    provenance: dict[str, object] = {
        "format": "npz",
        "files": [source.name],
        "rows": int(matrix.nnz),
        "malformed": {},
    }
    users, items = matrix.shape
    return Dataset(source.stem, matrix, np.arange(users), np.arange(items), provenance=provenance)


def _from_members(source: Path, archive: Any) -> Dataset:
    version = int(archive["halfstep_dataset"])
    if version != FORMAT_VERSION:
        raise InputError(f"{source}: format version must be {FORMAT_VERSION}, got {version}")
    provenance = json.loads(str(archive["provenance"]))
    if not isinstance(provenance, dict):
        raise InputError(f"{source}: provenance must be a JSON object, got {provenance!r}")
    return Dataset(
        str(archive["name"]),
        _matrix(archive, "interactions"),
        _ids(archive, "user_ids"),
        _ids(archive, "item_ids"),
        item_names=_ids(archive, "item_names") if "item_names.ends" in archive else None,
        test=_matrix(archive, "test") if "test.data" in archive else None,
        negatives=_negatives(archive) if "negatives" in archive else None,
        provenance=provenance,
    )


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


def _negatives(archive: Any) -> NDArray[np.int32]:
    """Return the negatives, whose item indices rankings are going to trust."""
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


def _id_members(key: str, ids: NDArray[Any]) -> dict[str, Any]:
    if ids.dtype.kind in "iu":
        return {key: ids}
    # A fixed-width string array takes 4 bytes times the longest name for every item (gigabytes for the
    # full dump), so strings lie end to end in UTF-8.
    encoded = [text.encode("utf-8", "surrogatepass") for text in ids.tolist()]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    return {f"{key}.ends": ends, f"{key}.utf8": np.frombuffer(b"".join(encoded), dtype=np.uint8)}


def _ids(archive: Any, key: str) -> NDArray[Any]:
    if key in archive:
        stored: NDArray[Any] = archive[key]
        if stored.ndim != 1 or stored.dtype.kind not in "iu":
            raise ValueError(f"{key} must be a list of integers, got {stored.dtype} {stored.shape}")
        return stored
    buffer, ends = archive[f"{key}.utf8"].tobytes(), archive[f"{key}.ends"].tolist()
    strings = np.empty(len(ends), dtype=object)
    for position, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        strings[position] = buffer[start:end].decode("utf-8", "surrogatepass")
    return strings
