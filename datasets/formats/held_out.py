"""A data set published in two tables: one to fit on, and one to judge by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

from halfstep.datasets.canonical import canonical_csr
from halfstep.datasets.dataset import Dataset


def with_test(train: Dataset, test: Dataset) -> Dataset:
    """Return `train` with the entries of `test` as its held-out part; ids of either have a place."""
    user_ids, train_users, test_users = _joined(train.user_ids, test.user_ids)
    item_ids, train_items, test_items = _joined(train.item_ids, test.item_ids)
    shape = (len(user_ids), len(item_ids))
    names = None
    if train.item_names is not None or test.item_names is not None:
        names = np.full(shape[1], "", dtype=object)
        for given, places in ((test.item_names, test_items), (train.item_names, train_items)):
            if given is not None:
                known = given != ""
                names[places[known]] = given[known]
    held_out_rows = test.provenance.get("rows", 0)
    files = [*_files(train), *_files(test)]
    malformed = {**_malformed(train), **_malformed(test)}
    provenance = {
        **train.provenance,
        "files": files,
        "test_rows": held_out_rows,
        "malformed": malformed,
    }
    if "reading" in test.provenance:
        provenance["test_reading"] = test.provenance["reading"]
    # Ascending ids keep the order of the entries, and so that of their times.
    return replace(
        train,
        interactions=_placed(train.interactions, train_users, train_items, shape),
        user_ids=user_ids,
        item_ids=item_ids,
        item_names=names,
        test=_placed(test.interactions, test_users, test_items, shape),
        provenance=provenance,
    )


def _joined(
    first: NDArray[Any], second: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
    """Return (all ids, ascending; the place of each of `first`; of each of `second`)."""
    if first.dtype.kind != second.dtype.kind:
        first, second = (
            np.array([str(one) for one in ids], dtype=object) for ids in (first, second)
        )
    ids = np.unique(np.concatenate([first, second]))
    return ids, np.searchsorted(ids, first), np.searchsorted(ids, second)


def _placed(
    matrix: csr_matrix, users: NDArray[np.int64], items: NDArray[np.int64], shape: tuple[int, int]
) -> csr_matrix:
    coo = matrix.tocoo()
    return canonical_csr(coo_matrix((coo.data, (users[coo.row], items[coo.col])), shape=shape))


def _files(dataset: Dataset) -> list[str]:
    files = dataset.provenance.get("files", [])
    return list(files) if isinstance(files, list) else []


def _malformed(dataset: Dataset) -> dict[str, Any]:
    malformed = dataset.provenance.get("malformed", {})
    return dict(malformed) if isinstance(malformed, dict) else {}
