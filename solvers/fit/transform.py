"""BM25 and TF-IDF: transforms of the stored values, before a convention turns them into weights.

Both come from text search, where a long document says less by each of its words, and a word that is
everywhere says little. An item is the document and a user the term, as in `implicit`, whose
`bm25_weight` and `tfidf_weight` take a matrix with a row for each item. With N items, n_u the number of
items of user u, r_ui the stored value and L_i the sum of item i's values,

      idf_u  = log N - log(1 + n_u)
      tfidf  : sqrt(r_ui) idf_u
      bm25   : r_ui (K1 + 1) / (K1 (1 - B + B L_i / mean L) + r_ui)  idf_u

BM25 grows like r while r is far below K1, and never exceeds K1 + 1: a tail of large counts is cut. With
B = 1 it falls with the item's sum, with B = 0 not at all.

A value keeps its sign: the formulas take its absolute value, and so do the sums. A stored zero stays
zero and is not counted in n_u. A user who has all items but at most one has no positive idf. In a fit it
counts as 0, so that the user's entries weigh nothing and a dislike does not become a like.

New rows after a fit need L, its mean, N and n_u as they were in the fit: `Transform` keeps them.

Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), section
3.4; with `implicit`'s idf.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep import defaults
from halfstep.errors import InputError, NumericalWarning
from halfstep.kernels.cpu.threads import cores, spread
from halfstep.solvers.inputs import check_number
from halfstep.types import Floats, Integers

TRANSFORMS = ("bm25", "tfidf")
_PIECE = 1 << 18
_LARGE_PIECE = 1 << 22
_MEMBERS = ("name", "k1", "b", "items", "mean_length", "item_lengths", "user_counts")


@dataclass(frozen=True, eq=False)
class Transform:
    """A transform with what it takes from the data of a fit.

    Attributes
    ----------
    name
        `"bm25"` or `"tfidf"`.
    k1, b
        BM25's K1 and B.
    items
        N.
    mean_length
        Mean of L over the items of the fit.
    item_lengths
        (items,) float64, L.
    user_counts
        (users,) int64, n_u.
    least_idf
        A smaller idf counts as this one.
    """

    name: str
    k1: float
    b: float
    items: int
    mean_length: float
    item_lengths: npt.NDArray[np.float64]
    user_counts: npt.NDArray[np.int64]
    least_idf: float = 0.0

    def apply(
        self, matrix: sparse.csr_matrix, side: str, dtype: npt.DTypeLike, num_threads: int = 1
    ) -> sparse.csr_matrix:
        """Return a canonical matrix with its values transformed, in `dtype`; it shares the indices.

        Parameters
        ----------
        side
            `"user"` if the rows are users and the columns items: n_u is then counted in the rows.
            `"item"` if the rows are items and the columns users: L is then summed over the rows.

        Raises
        ------
        InputError
            A column is not known from the fit, or a transformed value overflows `dtype`.
        """
        known = len(self.item_lengths if side == "user" else self.user_counts)
        if matrix.shape[1] > known:
            raise InputError(
                f"transform {self.name!r} knows {known} {'items' if side == 'user' else 'users'} "
                f"of its fit, got rows of {matrix.shape[1]}: fit again"
            )
        of_rows: Any = _counts(matrix) if side == "user" else _sums(matrix)
        of_columns = self.item_lengths if side == "user" else self.user_counts
        return self.apply_by(matrix, side, of_rows, of_columns, dtype, num_threads)

    def apply_by(
        self,
        matrix: sparse.csr_matrix,
        side: str,
        of_rows: Any,
        of_columns: Any,
        dtype: npt.DTypeLike,
        num_threads: int = 1,
    ) -> sparse.csr_matrix:
        """Transform a part of the data, of whose rows and columns n_u and L are known from the whole.

        `of_rows` (rows,) and `of_columns` (columns,) are these: n_u of users, L of items. The rest is as
        in `apply`.
        """
        if side == "user":
            of_row, of_column = self._idf(of_rows), self._length_norm(of_columns)
        else:
            of_row, of_column = self._length_norm(of_rows), self._idf(of_columns)
        stored, indices = matrix.data, matrix.indices
        indptr = np.asarray(matrix.indptr, np.int64)
        entries = int(indptr[-1])
        values = np.empty(entries, dtype)
        starts = range(0, entries, _PIECE)

        def run(start: int, _: None) -> None:
            piece = slice(start, min(start + _PIECE, entries))
            size = np.abs(stored[piece].astype(np.float64))
            row, column = of_row[_rows(indptr, piece)], of_column[indices[piece]]
            idf, norm = (row, column) if side == "user" else (column, row)
            with np.errstate(over="ignore", invalid="ignore"):
                np.copysign(self._size(size, norm) * idf, _signs(stored[piece], idf), out=size)
                values[piece] = size

        spread(starts, cores(num_threads), lambda: None, run)
        finite = np.isfinite(values)
        if not finite.all():
            raise InputError(
                f"transform {self.name!r} of a stored value must fit {values.dtype.name}, got "
                f"{stored[int(np.argmin(finite))]}"
            )
        transformed = sparse.csr_matrix((values, indices, matrix.indptr), matrix.shape, copy=False)
        transformed.has_canonical_format = True
        return transformed

    def with_rows(self, side: str, ids: Integers, rows: sparse.csr_matrix) -> Transform:
        """Return the transform that knows the rows of `ids`, old or new, as `partial_fit_*` stores them.

        N and the mean of L stay those of the fit, so that all other rows keep their weights. Ids in
        between that have no row yet get no entries.
        """
        if side == "user":
            return replace(self, user_counts=_put(self.user_counts, ids, _counts(rows)))
        return replace(self, item_lengths=_put(self.item_lengths, ids, _sums(rows)))

    def members(self) -> dict[str, Any]:
        """Return what a model's file keeps of it, by the names that `of_members` takes."""
        return {f"transform_{name}": np.asarray(getattr(self, name)) for name in _MEMBERS}

    @classmethod
    def of_members(cls, archive: Mapping[str, Any]) -> Transform | None:
        """Return the transform of a model's file, or None if it has none.

        Raises
        ------
        ValueError, KeyError, TypeError
            The file is damaged.
        """
        if "transform_name" not in archive:
            return None
        name, k1, b, items, mean, lengths, counts = (archive[f"transform_{n}"] for n in _MEMBERS)
        known = cls(
            str(name), float(k1), float(b), int(items), float(mean),
            np.array(lengths, np.float64), np.array(counts, np.int64),
        )  # fmt: skip
        sides = known.item_lengths, known.user_counts
        if (
            known.name not in TRANSFORMS
            or min(known.k1, known.b, known.items, known.mean_length) < 0
            or any(side.ndim != 1 or (side < 0).any() for side in sides)
            or not np.isfinite(
                [known.k1, known.b, known.mean_length, known.item_lengths.sum()]
            ).all()
        ):
            raise ValueError("the transform's numbers are out of range")
        return known

    def _idf(self, counts: Integers) -> npt.NDArray[np.float64]:
        idf = np.log(max(self.items, 1)) - np.log1p(counts)
        return np.asarray(np.maximum(idf, self.least_idf), np.float64)

    def _length_norm(self, lengths: Floats) -> npt.NDArray[np.float64]:
        if self.mean_length == 0:  # all values are zero
            return np.ones(len(lengths))
        return (1.0 - self.b) + self.b * np.asarray(lengths, np.float64) / self.mean_length

    def _size(self, size: Floats, norm: Floats) -> Floats:
        if self.name == "tfidf":
            return np.sqrt(size)
        # A zero stays zero where K1 times the norm is zero too.
        return size * (self.k1 + 1.0) / np.where(size == 0, 1.0, self.k1 * norm + size)


def measured(
    matrix: sparse.csr_matrix,
    name: str,
    k1: float = defaults.BM25_K1,
    b: float = defaults.BM25_B,
    least_idf: float = 0.0,
) -> Transform:
    """Return the transform of a canonical matrix (users, items), which it is to be fitted to."""
    users, items = matrix.shape
    lengths = np.zeros(items)
    entries = int(matrix.indptr[-1])
    with np.errstate(over="ignore"):
        for start in range(0, entries, _LARGE_PIECE):
            piece = slice(start, min(start + _LARGE_PIECE, entries))
            size = np.abs(matrix.data[piece].astype(np.float64))
            lengths += np.bincount(matrix.indices[piece], size, minlength=items)
        mean = float(lengths.mean()) if items else 0.0
    if not np.isfinite(mean):
        raise InputError(
            f"transform {name!r} needs values whose sum is finite, got values up to "
            f"{np.abs(matrix.data).max():g}"
        )
    return Transform(name, k1, b, items, mean, lengths, _counts(matrix), least_idf)


def warn_of_full_rows(transform: Transform) -> None:
    """Warn of users whose entries weigh nothing because they have all items but at most one."""
    full = np.flatnonzero(transform.user_counts + 1 >= max(transform.items, 2))
    if len(full):
        warnings.warn(
            f"transform {transform.name!r} gives no weight to users who have all items but at most one: "
            f"{len(full)} of {len(transform.user_counts)} users, the first in row {full[0]}",
            NumericalWarning,
            stacklevel=4,
        )


def check_transform(values: Mapping[str, Any]) -> None:
    """Raise InputError for an unknown transform, or an argument that the fit would ignore."""
    name, confidence = values["transform"], values["confidence"]
    if name is not None and name not in TRANSFORMS:
        raise InputError(f"transform must be None, {' or '.join(TRANSFORMS)}, got {name!r}")
    if name is not None and confidence in ("binary", "explicit"):
        raise InputError(
            f"transform {name!r} belongs to confidence implicit, linear and log, got {confidence!r}"
        )
    for argument, default in (("bm25_k1", defaults.BM25_K1), ("bm25_b", defaults.BM25_B)):
        check_number(argument, values[argument])
        if name != "bm25" and values[argument] != default:
            raise InputError(
                f"{argument} belongs to transform 'bm25' alone, got {values[argument]} with {name!r}"
            )
    if values["bm25_b"] > 1:
        raise InputError(f"bm25_b must be from 0 to 1, got {values['bm25_b']}")


def _signs(stored: Floats, idf: Floats) -> Floats:
    """Return numbers of the sign that each transformed value has."""
    return np.where(idf < 0, -1.0, 1.0) * np.where(stored < 0, -1.0, 1.0)


def _counts(matrix: sparse.csr_matrix) -> npt.NDArray[np.int64]:
    """Return the number of entries of each row that are not zero."""
    counts = np.diff(matrix.indptr).astype(np.int64)
    zero = np.flatnonzero(matrix.data[: int(matrix.indptr[-1])] == 0)
    rows = np.searchsorted(matrix.indptr, zero, side="right") - 1
    return np.asarray(counts - np.bincount(rows, minlength=len(counts)), np.int64)


def _sums(matrix: sparse.csr_matrix) -> npt.NDArray[np.float64]:
    """Return the sum of the absolute values of each row."""
    sums = np.zeros(matrix.shape[0])
    filled = np.flatnonzero(np.diff(matrix.indptr))
    if len(filled):
        size = np.abs(matrix.data[: int(matrix.indptr[-1])].astype(np.float64))
        sums[filled] = np.add.reduceat(size, matrix.indptr[filled])
    return sums


def _rows(indptr: Integers, piece: slice) -> Integers:
    """Return the row of each entry of a piece."""
    first = int(np.searchsorted(indptr, piece.start, side="right")) - 1
    last = int(np.searchsorted(indptr, piece.stop, side="left"))
    bounds = np.clip(indptr[first : last + 1], piece.start, piece.stop)
    return np.repeat(np.arange(first, last), np.diff(bounds))


def _put(values: Any, ids: Integers, rows: Any) -> Any:
    """Return a copy of `values` with `rows` at `ids`, grown by zeros where an id is beyond its end."""
    grown = np.zeros(max(len(values), int(ids.max(initial=-1)) + 1), values.dtype)
    grown[: len(values)] = values
    grown[ids] = rows
    return grown
