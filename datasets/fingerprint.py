"""A data set's fingerprint: which users, items, pairs and values it has, in whatever order and dtype."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from halfstep.datasets.matching import as_numbers, texts

_STEP = 1 << 20


def fingerprint(matrix: csr_matrix, user_ids: NDArray[Any], item_ids: NDArray[Any]) -> str:
    """Return a SHA-256 (hex) of ids and entries.

    Users and items are put in the order of their ids first, so that it is the same however rows and
    columns are numbered. An id is the same as a number and as that number's text, a value in float32 and
    in float64.

    Parameters
    ----------
    matrix
        (users, items), canonical.
    user_ids, item_ids
        (users,) and (items,), integers or str, each id once.
    """
    digest = hashlib.sha256(b"halfstep fingerprint 1")
    rows, columns = _write_ids(digest, user_ids), _write_ids(digest, item_ids)
    ordered = matrix
    if not _ascending(rows):
        ordered = ordered[rows]
    if not _ascending(columns):
        place = np.empty(len(columns), ordered.indices.dtype)
        place[columns] = np.arange(len(columns))
        parts = ordered.data.copy(), place[ordered.indices], ordered.indptr
        ordered = csr_matrix(parts, shape=ordered.shape)
        ordered.sort_indices()
    arrays = (ordered.indptr, "<i8"), (ordered.indices, "<i8"), (ordered.data, "<f8")
    for array, dtype in arrays:
        for start in range(0, len(array), _STEP):
            # Adding 0 makes -0.0 the same as 0.0.
            digest.update((array[start : start + _STEP].astype(dtype) + 0).tobytes())
    return digest.hexdigest()


def _write_ids(digest: Any, ids: NDArray[Any]) -> NDArray[np.int64]:
    """Add the ids in ascending order to the digest, and return that order."""
    numbers = as_numbers(ids)
    digest.update(np.int64(len(ids)).astype("<i8").tobytes())
    if numbers is not None:
        order = np.argsort(numbers, kind="stable")
        digest.update(b"numbers" + numbers[order].astype("<i8").tobytes())
        return order
    written = texts(ids)
    order = np.array(sorted(range(len(written)), key=written.__getitem__), np.int64)
    digest.update(b"texts")
    for place in order.tolist():
        encoded = written[place].encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return order


def _ascending(order: NDArray[np.int64]) -> bool:
    return bool((order == np.arange(len(order))).all())
