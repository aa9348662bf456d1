"""What the users of a shard have, read from its block, as rows over all items or over some of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from halfstep.distributed.blocks import load_block
from halfstep.distributed.facts import Facts
from halfstep.distributed.hubs import load_hub
from halfstep.distributed.storage import Folder
from halfstep.errors import InputError
from halfstep.types import Floats


class Histories(NamedTuple):
    """Rows of users in CSR, whose columns are places among the items that occur in them.

    Attributes
    ----------
    indptr
        (users + 1,) int64.
    places
        (entries,) positions in `needed`, rising within each row.
    values
        (entries,).
    needed
        Rising numbers of items, int64.
    """

    indptr: npt.NDArray[np.int64]
    places: npt.NDArray[np.integer]
    values: Floats
    needed: npt.NDArray[np.int64]

    def within(self, first: int, stop: int) -> csr_matrix:
        """Return the entries of items `first` to `stop` as a matrix (users, stop - first)."""
        low, high = np.searchsorted(self.needed, [first, stop])
        numbers = self.needed[low:high] - first
        # Not wider than must be: SciPy and the kernels copy the columns of a wide one.
        numbers = numbers.astype(np.int32 if stop - first < 2**31 else np.int64)
        shape = (len(self.indptr) - 1, stop - first)
        if low == 0 and high == len(self.needed):
            columns = numbers[self.places] if len(numbers) else numbers
            return csr_matrix((self.values, columns, self.indptr), shape=shape)
        inside = (self.places >= low) & (self.places < high)
        before = np.zeros(len(inside) + 1, np.int64)
        np.cumsum(inside, out=before[1:])
        columns = numbers[self.places[inside] - low]
        return csr_matrix((self.values[inside], columns, before[self.indptr]), shape=shape)

    def rows(self, chosen: npt.NDArray[np.int64]) -> Histories:
        """Return the rows `chosen`, in their order."""
        lengths = np.diff(self.indptr)[chosen]
        indptr = _pointers(lengths)
        at = np.arange(indptr[-1]) + np.repeat(self.indptr[chosen] - indptr[:-1], lengths)
        return Histories(indptr, self.places[at], self.values[at], self.needed)


def read_histories(folder: Folder, facts: Facts, shard: int) -> Histories:
    """Read what the users of a shard have, the longest rows, which are kept in pieces, included.

    Raises
    ------
    InputError
        The folder has no data, or a file of it is damaged.
    """
    data = folder.child("data")
    if not data.exists("facts.json"):
        raise InputError(
            f"{folder.url} has a model without what its users have: load the folder of the fit, or a "
            "copy by save(history=True), or recommend with filter_already_liked_items=False"
        )
    block = load_block(data, "user", shard)
    whole = Histories(_pointers(block.lengths), block.indices, block.values, block.needed)
    first = facts.starts["user"][shard]
    for row in facts.hubs_of("user", shard):
        hub = load_hub(data, "user", row)
        numbers, values = np.concatenate(hub.numbers), np.concatenate(hub.values)
        whole = _with_row(whole, row - first, numbers, values)
    return whole


def together(parts: list[Histories]) -> Histories:
    """Return the rows of all parts, one part after the other."""
    if len(parts) == 1:
        return parts[0]
    needed = np.unique(np.concatenate([part.needed for part in parts]))
    places = [np.searchsorted(needed, part.needed)[part.places] for part in parts]
    lengths = [np.diff(part.indptr) for part in parts]
    values = np.concatenate([part.values for part in parts])
    return Histories(_pointers(np.concatenate(lengths)), np.concatenate(places), values, needed)


def _with_row(
    whole: Histories, row: int, numbers: npt.NDArray[np.int64], values: Floats
) -> Histories:
    """Return the histories with the entries of a row that is empty in `whole`."""
    needed = np.union1d(whole.needed, numbers)
    places = np.searchsorted(needed, whole.needed)[whole.places]
    at = whole.indptr[row]
    indptr = whole.indptr.copy()
    indptr[row + 1 :] += len(numbers)
    places = np.insert(places, at, np.searchsorted(needed, numbers))
    return Histories(indptr, places, np.insert(whole.values, at, values), needed)


def _pointers(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    indptr = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr
