"""Take from other data what a model knows, by the ids of users and items; count the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from halfstep.datasets.canonical import canonical_csr
from halfstep.datasets.dataset import Dataset
from halfstep.datasets.matching import places
from halfstep.errors import InputError
from halfstep.recommender.catalogue import Catalogue


@dataclass(frozen=True)
class Matched:
    """What became of data that was matched with a model.

    Attributes
    ----------
    history : csr_matrix
        (users, items) of the model: the entries whose user and item it knows.
    present : ndarray
        (users,) bool: which of the model's users are in the data.
    users, items, entries : int
        The data's users, items and entries that the model does not know.
    absent : int
        The model's users that the data does not have.
    """

    history: csr_matrix
    present: NDArray[np.bool_]
    users: int
    items: int
    entries: int

    @property
    def absent(self) -> int:
        """How many of the model's users are not in the data."""
        return int((~self.present).sum())

    def said(self, name: str) -> str | None:
        """Return the sentence for who gave the data, or None where all of it is known."""
        unknown = [
            f"{count:,} {what}"
            for count, what in ((self.users, "users"), (self.items, "items"))
            if count
        ]
        parts = []
        if unknown:
            parts.append(
                f"{' and '.join(unknown)} are not known to the model, "
                f"and their {self.entries:,} entries are left out"
            )
        if self.absent:
            parts.append(f"{self.absent:,} of the model's users are not in it")
        return f"{name}: {'; '.join(parts)}" if parts else None


def match(catalogue: Catalogue, dataset: Dataset) -> Matched:
    """Return the data's entries in the model's rows and columns.

    Raises
    ------
    InputError
        The model knows none of the users, or none of the items.
    """
    rows = places(catalogue.user_ids, dataset.user_ids)
    columns = places(catalogue.item_ids, dataset.item_ids)
    for what, found, given, known in (
        ("users", rows, dataset.user_ids, catalogue.user_ids),
        ("items", columns, dataset.item_ids, catalogue.item_ids),
    ):
        if not (found >= 0).any():
            raise InputError(
                f"{dataset.name}: the model knows none of its {len(given):,} {what}; they are like "
                f"{given[0]!s}, the model's like {known[0]!s}: give the data that it was fitted to"
            )
    matrix = dataset.interactions.tocoo()
    row, column = rows[matrix.row], columns[matrix.col]
    known_entries = (row >= 0) & (column >= 0)
    entries = (matrix.data[known_entries], (row[known_entries], column[known_entries]))
    shape = (len(catalogue.user_ids), len(catalogue.item_ids))
    present = np.zeros(shape[0], bool)
    present[rows[rows >= 0]] = True
    return Matched(
        canonical_csr(csr_matrix(entries, shape=shape)),
        present,
        int((rows < 0).sum()),
        int((columns < 0).sum()),
        int(len(known_entries) - known_entries.sum()),
    )
