"""The half-step as data, and the conventions that lead to it.

ALS minimises, over user factors X and item factors Y,

      sum over stored (u,i)    c_ui (p_ui - x_u . y_i)^2
    + sum over unstored (u,i)  a0 (x_u . y_i)^2
    + sum_u lambda_u |x_u|^2 + sum_i lambda_i |y_i|^2

With Y fixed this falls apart into one small symmetric positive definite system per row u:

    (a0 Y'Y + lambda_u I + sum_{i in S_u} w_ui y_i y_i') x_u = sum_{i in S_u} t_ui y_i

so all that a solver needs of a stored entry are two numbers: its *excess weight* w = c - a0 and its
*target weight* t = c p. Each convention is a choice of (w, t, a0, lambda_u), for a stored value r:

| confidence   | c_ui                       | p_ui             | a0         | w         | t     |
| ------------ | -------------------------- | ---------------- | ---------- | --------- | ----- |
| `"implicit"` | abs(alpha r)               | 1, 0 where r <= 0| 1          | c - 1     | c p   |
| `"linear"`   | 1 + alpha abs(r)           | 1, 0 where r <= 0| 1          | c - 1     | c p   |
| `"log"`      | 1 + alpha log(1+abs(r)/eps)| 1, 0 where r <= 0| 1          | c - 1     | c p   |
| `"binary"`   | stored entries count once  | 1                | background | 1         | 1     |
| `"explicit"` | 1                          | r                | 0          | 1         | r     |

`"implicit"` is the convention of the library of that name, where c is alpha r itself and may be
below 1 (then w < 0); `"linear"` is eq. 4 and `"log"` eq. 6 of Hu, Koren and Volinsky (ICDM 2008);
`"binary"` is that of Rendle et al., "Revisiting the Performance of iALS" (2021), which adds
(1 - x.y)^2 for a stored entry to the background a0 (x.y)^2 that *every* entry has. A stored zero is
the same as none with `"linear"` and `"log"`, an entry to be ignored with `"implicit"` (c = 0), and
counts as stored with the other two. The
regularisation is the same everywhere, frequency-scaled by the exponent nu (0 by default; with
`"explicit"` nu = 1 is the ALS-WR of Zhou et al. 2008):

    lambda_u = regularization (n_u + a0 N)^nu      n_u stored entries in the row, N columns

w and t both follow from r by a few operations that do not depend on the entry, the convention's `Rule`;
so one number is kept for each entry (for `"log"` the logarithm), and the compiled loops make two of it
where they need them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.errors import InputError
from halfstep.types import Floats, Integers

CONFIDENCES = ("implicit", "linear", "log", "binary", "explicit")
DEFAULT_BACKGROUND = 0.1
_GATHER_BYTES = 8 << 20


class Rule(NamedTuple):
    """How a kept value v becomes two weights.

    w = excess_slope abs(v) + excess_shift
    t = target_slope abs(v) + target_shift   where v > 0, else below v
    """

    excess_slope: float
    excess_shift: float
    target_slope: float
    target_shift: float
    below: float

    def weights(self, v: Floats) -> tuple[Floats, Floats]:
        """Return w and t (entries,) in v's dtype."""
        kind = v.dtype.type
        slope, shift, to_target, from_target, below = map(kind, self)
        size = np.abs(v)
        return slope * size + shift, np.where(v > 0, to_target * size + from_target, below * v)


@dataclass(frozen=True)
class Weights:
    """What the half-steps of one side need of the data; the same for the whole fit.

    Attributes
    ----------
    indptr
        (rows + 1,) int64.
    indices
        (entries,) int32, or int64 beyond 2^31 columns; sorted in each row.
    values
        (entries,) what the weights are made of, in the dtype of the factors.
    rule
        How they are made.
    w, t
        (entries,) excess and target weights, in the dtype of the factors: made when first asked for,
        and kept from then on (`of_entries` keeps nothing).
    lam
        (rows,) lambda_u, float64.
    a0
        Weight of every entry that is not stored.
    columns
        Rows of the fixed side.
    constant
        Sum of c p^2 (for `"binary"`: the number of entries): the objective at X = 0.
    """

    indptr: npt.NDArray[np.int64]
    indices: Integers
    values: Floats
    rule: Rule
    lam: npt.NDArray[np.float64]
    a0: float
    columns: int
    constant: float

    @cached_property
    def _both(self) -> tuple[Floats, Floats]:
        return self.rule.weights(self.values)

    @property
    def w(self) -> Floats:
        """Excess weights, (entries,)."""
        return self._both[0]

    @property
    def t(self) -> Floats:
        """Target weights, (entries,)."""
        return self._both[1]

    @cached_property
    def largest_excess(self) -> float:
        """The largest excess weight, for a rule whose slope is not negative; -inf without entries."""
        whole = self.__dict__.get("_whole")
        if whole is not None:  # once for a fit, not for a half-step
            return float(whole.largest_excess)
        if not len(self.values):
            return -np.inf
        largest = max(float(self.values.max()), -float(self.values.min()))
        return self.rule.excess_slope * largest + self.rule.excess_shift

    @cached_property
    def stored_rows(self) -> int:
        """How many rows have entries."""
        return int(np.count_nonzero(np.diff(self.indptr)))

    def of_entries(self, piece: slice) -> tuple[Floats, Floats]:
        """Return w and t of a run of entries."""
        return self.rule.weights(self.values[piece])

    @property
    def rows(self) -> int:
        """Rows of the side being solved."""
        return len(self.indptr) - 1

    def fixing(self, Y: Floats, **more: Any) -> Problem:
        """Return the half-step's problem with the other side's factors fixed at Y (columns, f).

        `more` are the other attributes of `Problem` that its caller knows.
        """
        kept = {f.name: getattr(self, f.name) for f in fields(Weights)}
        problem = Problem(**kept, Y=Y, side_rows=self.stored_rows, **more)
        problem.__dict__["_whole"] = self
        return problem


@dataclass(frozen=True)
class Problem(Weights):
    """One half-step: find X (rows, f) given Y (columns, f).

    Attributes
    ----------
    Y
        (columns, f) the fixed side's factors.
    side_rows
        How many rows with entries the whole side has, of which a block is a part.
    YtY
        The Gramian Y'Y (f, f) where it is known already, else None.
    omega
        The over-relaxation factor: a row goes omega times the way from its start to where its half-step
        would leave it, in rungs that over-relax. 1 outside of a fit.
    reports
        Where a half-step that knows how far it solved its rows appends a `HalfStepReport`; None where
        nobody asks.
    """

    Y: Floats
    side_rows: int
    YtY: Floats | None = None
    omega: float = 1.0
    reports: list[Any] | None = None

    @property
    def few_rows(self) -> bool:
        """Whether the whole side has no more rows with entries than twice the factors."""
        return bool(self.side_rows <= 2 * self.Y.shape[1])

    def block(self, start: int, stop: int) -> Problem:
        """Return rows start to stop as a problem of its own; its arrays are views."""
        first, last = self.indptr[start], self.indptr[stop]
        return replace(
            self,
            indptr=self.indptr[start : stop + 1] - first,
            indices=self.indices[first:last],
            values=self.values[first:last],
            lam=self.lam[start:stop],
        )

    def only(self, rows: Integers) -> Problem:
        """Return these rows as a problem of its own; its arrays are copies."""
        lengths = np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        entries = np.arange(indptr[-1]) + np.repeat(self.indptr[rows] - indptr[:-1], lengths)
        return replace(
            self,
            indptr=indptr,
            indices=self.indices[entries],
            values=self.values[entries],
            lam=self.lam[rows],
        )

    def blocks(self, entries: int) -> Iterator[tuple[int, int]]:
        """Yield (start, stop) of runs of rows with at most `entries` stored entries, or one row."""
        start = 0
        while start < self.rows:
            limit = self.indptr[start] + entries
            stop = int(np.searchsorted(self.indptr, limit, side="right")) - 1
            # The bound on rows keeps runs of empty rows from growing into one huge block.
            stop = min(max(stop, start + 1), start + entries, self.rows)
            yield start, stop
            start = stop

    def row_of_entry(self) -> Integers:
        """Return the row of each stored entry, (entries,)."""
        return np.repeat(np.arange(self.rows), np.diff(self.indptr))

    def stored_products(self, X: Floats) -> Floats:
        """Return x_u . y_i for each stored entry, (entries,), gathering a bounded piece at a time."""
        rows = self.row_of_entry()
        products = np.empty(len(rows), X.dtype)
        step = max(1, _GATHER_BYTES // (max(1, X.shape[1]) * X.itemsize))
        for start in range(0, len(rows), step):
            piece = slice(start, start + step)
            products[piece] = np.einsum("ef,ef->e", X[rows[piece]], self.Y[self.indices[piece]])
        return products

    def scatter(self, values: Floats) -> Floats:
        """Return sum over the row's stored entries of value times y_i, (rows, f)."""
        shape = (self.rows, self.columns)
        matrix = sparse.csr_array((values, self.indices, self.indptr), shape=shape)
        product: Floats = matrix @ self.Y
        return product

    def gramian(self) -> Floats:
        """Return the background a0 Y'Y, (f, f): the part of every row's matrix that all share."""
        YtY = self.Y.T @ self.Y if self.YtY is None else self.YtY
        gramian: Floats = YtY * YtY.dtype.type(self.a0)
        return gramian

    def apply(self, P: Floats, gramian: Floats) -> Floats:
        """Return each row's matrix times that row of P, (rows, f)."""
        Ap = P @ gramian
        Ap += self.lam[:, None].astype(P.dtype) * P
        Ap += self.scatter(self.w * self.stored_products(P))
        return Ap

    def right_hand_side(self) -> Floats:
        """Return sum t y of each row, (rows, f)."""
        return self.scatter(self.t)


def check_convention(values: dict[str, Any]) -> None:
    """Raise InputError for a convention that does not exist or an argument that it would ignore."""
    confidence = values["confidence"]
    if confidence not in CONFIDENCES:
        raise InputError(f"confidence must be one of {', '.join(CONFIDENCES)}, got {confidence!r}")
    background = values["background"]
    if background is not None:
        if confidence != "binary":
            raise InputError(
                f"background belongs to confidence 'binary' alone, got {background} "
                f"with {confidence!r}"
            )
        if background <= 0:
            raise InputError(f"background must be positive, got {background}")
    if confidence in ("binary", "explicit") and values["alpha"] != 1.0:
        raise InputError(
            f"alpha has no meaning with confidence {confidence!r} and must be 1, "
            f"got {values['alpha']}"
        )
    if confidence != "log" and values["epsilon"] != 1.0:
        raise InputError(
            f"epsilon belongs to confidence 'log' alone, got {values['epsilon']} "
            f"with {confidence!r}"
        )
    if values["epsilon"] <= 0:
        raise InputError(f"epsilon must be positive, got {values['epsilon']}")
