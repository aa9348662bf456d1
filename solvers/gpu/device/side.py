"""One side's data on the device, as `halfstep.solvers.problem.Weights` holds it on the host."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from halfstep.errors import InputError
from halfstep.solvers.gpu.device.coordinates import formed

if TYPE_CHECKING:
    from halfstep.kernels.cuda.backend import Array, Backend
    from halfstep.solvers.features.prior import Prior
    from halfstep.solvers.problem import Problem, Weights
    from halfstep.solvers.shared import Frame
    from halfstep.types import Floats

LENGTH = "length of the pulls"  # by this name in `Side.kept`


@dataclass(frozen=True)
class Side:
    """The stored entries of a side by rows, and the numbers that belong to each row.

    Attributes
    ----------
    indptr, indices, w, t, lam
        On the device: (rows + 1,) int64 and (entries,) int32; (entries,), (entries,) and (rows,) in the
        factors' dtype.
    lengths
        On the host: the degree of each row, (rows,).
    smallest_lam, largest_lam
        The smallest and the largest lambda of the rows that have entries, float64; both are 1 if no row
        has entries. A part of a side has those of the whole side.
    columns, a0, constant
        As in `Weights`.
    kept
        What solvers compute from the side once and use in every half-step of the fit, by name.
    frame
        What is known of the whole half-step, if several machines share the side's rows.
    pulled
        How many of the last columns are pulls, which no Gramian counts: see
        `halfstep.solvers.features.pulled`.
    prior
        The side's attributes in a fit with such: on the host, where W is fitted.
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
    frame: Frame | None = None
    pulled: int = 0
    prior: Prior | None = None

    @property
    def counted(self) -> int:
        """The number of columns that Gramians count."""
        return self.columns - self.pulled

    def over(self, backend: Backend, Y: Array) -> Array:
        """Return Y (counted, f) with the vectors of the pulls below it; Y itself without pulls."""
        if self.prior is None:
            return Y
        Y = formed(Y)
        pulls = self.prior.pulls()
        self._note_length(pulls)
        whole = backend.empty((len(Y) + len(pulls), pulls.shape[1]), pulls.dtype)
        backend.copy(whole[: len(Y)], Y)
        backend.copy(whole[len(Y) :], backend.to_device(pulls))
        return whole

    def unshrunk(self, problem: Problem) -> Floats:
        """Return the fixed side of a problem with pulls, (columns, f), for their target weights of 1."""
        if not self.pulled:
            return problem.Y
        Y, pulls = np.array(problem.Y), problem.indices >= self.counted
        Y[self.counted :] *= problem.t[pulls].max()
        self._note_length(Y[self.counted :])
        return Y

    def _note_length(self, pulls: Floats) -> None:
        """Note a bound on the z of the pulls, by which they are scaled where stored in 16 bits."""
        length = float(np.sqrt(np.einsum("uf,uf->u", pulls, pulls, dtype=np.float64).max()))
        self.kept[LENGTH] = length / max(self.smallest_lam, float(np.finfo(np.float32).tiny)) ** 0.5

    def follow(self, backend: Backend, X: Array) -> None:
        """Fit the attributes, if there are any, to the side's new factors X (rows, f)."""
        if self.prior is not None:
            self.prior.follow(backend.to_host(formed(X)))

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """Position of each row's first entry, (rows,), on the host."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def rows(self) -> int:
        """Number of rows of the side being solved."""
        return len(self.lengths)

    def few_rows(self, factors: int) -> bool:
        """Return whether the whole side has at most 2 f rows; of a shared side, with entries."""
        return self.rows <= 2 * factors if self.frame is None else self.frame.few_rows

    @classmethod
    def of_frame(cls, frame: Frame) -> Side:
        """Return a side without rows: all that the rows of a shared side have in common."""
        none = cls.without_entries(
            np.empty(0, np.int64), np.empty(0), frame.columns, frame.a0, constant=0.0
        )
        smallest, largest = frame.side.lambdas
        return replace(none, smallest_lam=smallest, largest_lam=largest, frame=frame)

    @classmethod
    def without_entries(
        cls,
        lengths: npt.NDArray[np.int64],
        lam: npt.NDArray[np.float64],
        columns: int,
        a0: float,
        constant: float,
    ) -> Side:
        """Return a side without device arrays: all that `GpuSolver._prepare` needs."""
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
        prior = getattr(weights, "prior", None)
        if weights.pulled:  # weights need not follow from values here, so that they are exact
            of_pulls = weights.indices >= weights.columns - weights.pulled
            w[of_pulls], t[of_pulls] = 0, 1
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
            pulled=weights.pulled,
            prior=prior,
        )


def check_columns(columns: int) -> None:
    """Raise InputError if there are more columns than the device's 32-bit indices can count."""
    if columns >= 2**31:
        raise InputError(f"a GPU solver takes at most {2**31 - 1} users or items, got {columns}")
