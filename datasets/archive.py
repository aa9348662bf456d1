"""One `.npz` for one data set: arrays only, no pickles, written under another name and then renamed."""

from __future__ import annotations

import json
import zipfile
import zlib
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, load_npz

from halfstep.datasets.builder import canonical_csr
from halfstep.datasets.dataset import Dataset
from halfstep.errors import InputError
from halfstep.files import whole_file

FORMAT_VERSION = 1
_UNREADABLE = (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)


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
            if not zipfile.is_zipfile(file):
                raise InputError(f"{source}: not a complete .npz archive")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                if "halfstep_dataset" in archive.files:
                    return _from_members(source, archive)
                names = set(archive.files)
            if not {"format", "shape", "data"} <= names:
                raise InputError(
                    f"{source}: neither halfstep nor scipy.sparse.save_npz wrote this .npz, "
                    f"it holds {', '.join(sorted(names)[:5]) or 'nothing'}"
                )
            file.seek(0)
            return _plain(source, _checked(load_npz(file)))
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
        item_names=_ids(archive, "item_names") if "item_names.ends" in archive.files else None,
        test=_matrix(archive, "test") if "test.data" in archive.files else None,
        negatives=archive["negatives"] if "negatives" in archive.files else None,
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
    data, indices, indptr = (archive[f"{key}.{part}"] for part in ("data", "indices", "indptr"))
    rows, columns = (int(length) for length in archive[f"{key}.shape"])
    return _checked(csr_matrix((data, indices, indptr), shape=(rows, columns)))


def _checked(matrix: Any) -> csr_matrix:
    rows = csr_matrix(matrix)
    rows.check_format(
        full_check=True
    )  # scipy's C code trusts indices, so a foreign file is checked
    if rows.nnz == 0:
        raise ValueError("the matrix has no entries")
    if rows.dtype.kind not in "biuf" or not np.isfinite(rows.data).all():
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
    if key in archive.files:
        stored: NDArray[Any] = archive[key]
        return stored
    buffer, ends = archive[f"{key}.utf8"].tobytes(), archive[f"{key}.ends"].tolist()
    strings = np.empty(len(ends), dtype=object)
    for position, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        strings[position] = buffer[start:end].decode("utf-8", "surrogatepass")
    return strings
