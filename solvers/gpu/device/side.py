"""One side's data on the device: what `halfstep.solvers.problem.Weights` is on the host."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from halfstep.errors import InputError

if TYPE_CHECKING:
    from halfstep.kernels.cuda.backend import Array, Backend
    from halfstep.solvers.problem import Weights


@dataclass(frozen=True)
class Side:
    """The stored entries of a side by rows, and what belongs to each row.

    Attributes
    ----------
    indptr, indices, w, t, lam
        On the device: (rows + 1,) int64, (entries,) int32, and in the factors' dtype (entries,),
        (entries,) and (rows,).
    lengths
        On the host: stored entries of each row, (rows,).
    smallest_lam, largest_lam
        Of the rows that have entries, in float64; both 1 where none has any. Of a part of a side: the
        whole side's.
    columns, a0, constant
        As in `Weights`.
    kept
        What solvers derive from the side once per fit.
    """

    indptr: Array
    indices: Array
    w: Array
    t: Array
    lam: Array
    lengths: npt.NDArray[np.int64]
    smallest_lam: float
    largest_lam: float
    columns: int
    a0: float
    constant: float
    kept: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """Position of each row's first entry, (rows,), on the host."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def rows(self) -> int:
        """Rows of the side being solved."""
        return len(self.lengths)

    @classmethod
    def without_entries(
        cls,
        lengths: npt.NDArray[np.int64],
        lam: npt.NDArray[np.float64],
        columns: int,
        a0: float,
        constant: float,
    ) -> Side:
        """Return a side without arrays: what a half-step needs to know before it sees any row."""
        check_columns(columns)
        of_stored = lam[lengths > 0]
        return cls(
            None,
            None,
            None,
            None,
            None,
            lengths=lengths,
            smallest_lam=float(of_stored.min()) if len(of_stored) else 1.0,
            largest_lam=float(of_stored.max()) if len(of_stored) else 1.0,
            columns=columns,
            a0=a0,
            constant=constant,
        )

    @classmethod
    def upload(cls, backend: Backend, weights: Weights) -> Side:
        """Return the device's copy of host weights."""
        lengths = np.diff(weights.indptr)
        w, t = weights.of_entries(slice(None))
        facts = cls.without_entries(
            lengths, weights.lam, weights.columns, weights.a0, weights.constant
        )
        return replace(
            facts,
            indptr=backend.to_device(weights.indptr.astype(np.int64)),
            indices=backend.to_device(weights.indices.astype(np.int32)),
            w=backend.to_device(w),
            t=backend.to_device(t),
            lam=backend.to_device(weights.lam.astype(w.dtype)),
        )


def check_columns(columns: int) -> None:
    """Raise InputError for more ids than the device's 32-bit indices can name."""
    if columns >= 2**31:
        raise InputError(f"a GPU solver takes at most {2**31 - 1} users or items, got {columns}")
