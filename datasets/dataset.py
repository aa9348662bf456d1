"""What every reader returns: a users x items matrix with its ids, names, held-out part and origin."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from halfstep.datasets.in_memory import InMemory
from halfstep.errors import InputError
from halfstep.plural import counted


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(InMemory):
    """One data set: a matrix of users and items with its ids, names, held-out part and origin.

    `halfstep.load_data` reads one; `from_frame`, `from_arrays` and `from_csr` make one of data in
    memory.

    Parameters
    ----------
    name : str
        What tables and logs call it.
    interactions : csr_matrix
        Shape (users, items), canonical (sorted columns, no duplicates); float32 where that holds every
        value exactly, otherwise float64; int32 indices where they fit, otherwise int64.
    user_ids, item_ids : ndarray
        Shapes (users,) and (items,): the original ids, integers or an object array of str.
    item_names : ndarray or None
        Object array of str, shape (items,); "" where an item has no name.
    test : csr_matrix or None
        The held-out part that the data set is published with; same shape as `interactions`.
    negatives : ndarray or None
        int32, shape (users, k): the item indices to rank a user's test item among; -1 is padding.
    times : ndarray or None
        float64, shape (entries,): when each entry of `interactions.data` happened, in seconds since
        1970 (UTC); the latest time where several rows became one entry, NaN where it is not known.
    provenance : dict
        Format, source files (base names), rows read, malformed rows per file and kind, licence, seed.

    Raises
    ------
    InputError
        An array's length or the test part's shape does not fit the matrix.

    See Also
    --------
    halfstep.load_data : Reads a preset, a file or a folder.
    halfstep.datasets.from_triples : Makes one from arrays, with ids of one's own order.

    Examples
    --------
    >>> from halfstep import Dataset
    >>> plays = Dataset.from_arrays(["ann", "bob", "ann"], ["x", "x", "y"], [3, 1, 2])
    >>> plays
    <Dataset 'arrays': 2 users x 2 items, 3 entries>
    >>> plays.interactions[plays.user_index("ann")].toarray()
    array([[3., 2.]], dtype=float32)
    """

    name: str
    interactions: csr_matrix
    user_ids: NDArray[Any]
    item_ids: NDArray[Any]
    item_names: NDArray[Any] | None = None
    test: csr_matrix | None = None
    negatives: NDArray[np.int32] | None = None
    times: NDArray[np.float64] | None = None
    provenance: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        users, items = self.interactions.shape
        lengths = [("user_ids", self.user_ids, users), ("item_ids", self.item_ids, items)]
        if self.item_names is not None:
            lengths.append(("item_names", self.item_names, items))
        if self.negatives is not None:
            lengths.append(("negatives", self.negatives, users))
        if self.times is not None:
            lengths.append(("times", self.times, self.interactions.nnz))
        for argument, array, expected in lengths:
            if len(array) != expected:
                raise InputError(f"{argument} must have {expected} rows, got {len(array)}")
        if self.test is not None and self.test.shape != (users, items):
            raise InputError(f"test must have shape {(users, items)}, got {self.test.shape}")

    @property
    def users(self) -> int:
        """Number of rows."""
        return int(self.interactions.shape[0])

    @property
    def items(self) -> int:
        """Number of columns."""
        return int(self.interactions.shape[1])

    @property
    def entries(self) -> int:
        """Number of stored entries, without the held-out part."""
        return int(self.interactions.nnz)

    @property
    def density(self) -> float:
        """Share of all user-item pairs that are stored."""
        return self.entries / (self.users * self.items)

    def user_index(self, user_id: object) -> int:
        """Return the row of an original user id.

        Parameters
        ----------
        user_id : int or str
            An id; of integer ids also its text.

        Returns
        -------
        int

        Raises
        ------
        InputError
            Nobody has this id.

        See Also
        --------
        item_index : The column of an item.
        """
        return _position(self.user_ids, user_id, "user_id")

    def item_index(self, item_id: object) -> int:
        """Return the column of an original item id.

        Parameters
        ----------
        item_id : int or str
            An id; of integer ids also its text.

        Returns
        -------
        int

        Raises
        ------
        InputError
            No item has this id.

        See Also
        --------
        user_index : The row of a user.
        """
        return _position(self.item_ids, item_id, "item_id")

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 (hex) of the matrix alone; it does not depend on the dtypes in memory.

        It covers the shape, indptr and indices as int64, then the data as float64, all little-endian.
        """
        matrix = self.interactions
        digest = hashlib.sha256(np.asarray(matrix.shape, dtype="<i8").tobytes())
        step = 1 << 20
        for array, dtype in ((matrix.indptr, "<i8"), (matrix.indices, "<i8"), (matrix.data, "<f8")):
            for start in range(0, len(array), step):
                digest.update(array[start : start + step].astype(dtype).tobytes())
        return digest.hexdigest()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of ids and entries, whatever their order and dtype."""
        from halfstep.datasets.fingerprint import fingerprint

        return fingerprint(self.interactions, self.user_ids, self.item_ids)

    def __repr__(self) -> str:
        held_out = "" if self.test is None else f", {self.test.nnz:,} held out"
        return (
            f"<Dataset {self.name!r}: {counted(self.users, 'users')} x {counted(self.items, 'items')}, "
            f"{counted(self.entries, 'entries')}{held_out}>"
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write the data set to one .npz file without pickles; the file appears whole or not at all.

        Parameters
        ----------
        path : str or path

        See Also
        --------
        load_npz : Reads the file.
        """
        from halfstep.datasets.archive import write_archive

        write_archive(self, path)

    @classmethod
    def load_npz(cls, path: str | PathLike[str]) -> Dataset:
        """Read a file written by `save` or `scipy.sparse.save_npz`.

        Parameters
        ----------
        path : str or path

        Returns
        -------
        Dataset

        Raises
        ------
        InputError
            There is no such file, or it is damaged or of another kind.

        See Also
        --------
        save : Writes such a file.
        halfstep.load_data : Reads it too, and other formats.
        """
        from halfstep.datasets.archive import read_archive

        return read_archive(path, cls)


def _position(ids: NDArray[Any], wanted: object, argument: str) -> int:
    value = wanted
    integer_ids = ids.dtype.kind in "iu"
    if integer_ids and isinstance(wanted, str) and wanted.strip().isdecimal():
        value = int(wanted)  # a command line has only strings
    comparable = isinstance(value, (int, np.integer) if integer_ids else str)
    matches = np.flatnonzero(ids == value) if comparable else np.empty(0, np.int64)
    if len(matches) == 0:
        raise InputError(
            f"{argument} must be one of the {len(ids)} ids in the data, got {wanted!r}"
        )
    return int(matches[0])
