"""The half-step as data, and the conventions that turn stored values into weights.

User u has stored values r_ui for the items i in S_u. Each stored value becomes a confidence c_ui and a
preference p_ui; every other entry has the confidence a0 and the preference 0. ALS minimises, over user
factors X (rows x_u) and item factors Y (rows y_i),

      sum over stored (u,i)    c_ui (p_ui - x_u . y_i)^2
    + sum over unstored (u,i)  a0 (x_u . y_i)^2
    + sum_u lambda_u |x_u|^2 + sum_i lambda_i |y_i|^2

With Y fixed, each row u is a least-squares problem of its own. Its solution x_u solves the symmetric
positive definite system

    (a0 Y'Y + lambda_u I + sum_{i in S_u} w_ui y_i y_i') x_u = sum_{i in S_u} t_ui y_i

so a solver needs two numbers for each stored entry: the *excess weight* w = c - a0 and the *target
weight* t = c p. A convention chooses c, p, a0 and with them w and t for a stored value r:

| confidence   | c_ui                       | p_ui             | a0         | w         | t     |
| ------------ | -------------------------- | ---------------- | ---------- | --------- | ----- |
| `"implicit"` | abs(alpha r)               | 1, 0 where r <= 0| 1          | c - 1     | c p   |
| `"linear"`   | 1 + alpha abs(r)           | 1, 0 where r <= 0| 1          | c - 1     | c p   |
| `"log"`      | 1 + alpha log(1+abs(r)/eps)| 1, 0 where r <= 0| 1          | c - 1     | c p   |
| `"binary"`   | stored entries count once  | 1                | background | 1         | 1     |
| `"explicit"` | 1                          | r                | 0          | 1         | r     |

* `"implicit"` is the convention of the library of that name: c is alpha r itself and may be below 1, so
  w may be negative. A stored zero has c = 0: it adds nothing to the sum.
* `"linear"` is eq. 4 and `"log"` eq. 6 of Hu, Koren and Volinsky (ICDM 2008); eps is `epsilon`. A stored
  zero is the same as an entry that is not stored.
* `"binary"` is the convention of Rendle et al., "Revisiting the Performance of iALS" (2021): a stored
  entry adds (1 - x.y)^2 to the background a0 (x.y)^2 that *every* entry has. A stored zero is stored.
* `"explicit"` fits the stored values alone. A stored zero is the value 0.

The regularisation of a row is scaled by its frequency, with the exponent nu = `regularization_exponent`
(0 by default; `"explicit"` with nu = 1 is the ALS-WR of Zhou et al. 2008):

    lambda_u = regularization (n_u + a0 N)^nu      n_u stored entries in the row, N columns

The same few operations, the convention's `Rule`, give w and t from any stored value. So one number is
kept for each entry (for `"log"` the logarithm), and the compiled loops calculate w and t from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.solvers.gramian import gramian
from halfstep.types import Floats, Integers

_GATHER_BYTES = 8 << 20


class Rule(NamedTuple):
    """How an entry's value v becomes its excess weight w and its target weight t.

    w = excess_slope abs(v) + excess_shift
    t = target_slope abs(v) + target_shift   if v > 0, else   below v
    """

    excess_slope: float
    excess_shift: float
    target_slope: float
    target_shift: float
    below: float

    def weights(self, v: Floats) -> tuple[Floats, Floats]:
        """Return w and t (entries,) of the values v (entries,), in v's dtype."""
        kind = v.dtype.type
        slope, shift, to_target, from_target, below = map(kind, self)
        size = np.abs(v)
        return slope * size + shift, np.where(v > 0, to_target * size + from_target, below * v)


@dataclass(frozen=True)
class Weights:
    """One side of the data, users or items, as its half-steps need it; constant during a fit.

    Attributes
    ----------
    indptr
        (rows + 1,) int64.
    indices
        (entries,) int32, or int64 beyond 2^31 columns; sorted in each row.
    values
        (entries,) the values from which `rule` calculates the weights, in the dtype of the factors.
    rule
        The convention's formula for the weights.
    w, t
        (entries,) excess and target weights, in the dtype of the factors: calculated at the first use
        and then kept (`of_entries` keeps nothing).
    lam
        (rows,) lambda_u, float64.
    a0
        Confidence of every entry that is not stored.
    columns
        Number of rows of the fixed side.
    constant
        Sum of c p^2 (for `"binary"`: the number of entries): the objective at X = 0.
    pulled
        How many of the last columns are no items or users, but vectors that pull rows to their prior
        means (`halfstep.solvers.features.pulled`). No Gramian counts them.
    """

    indptr: npt.NDArray[np.int64]
    indices: Integers
    values: Floats
    rule: Rule
    lam: npt.NDArray[np.float64]
    a0: float
    columns: int
    constant: float
    pulled: int = field(default=0, kw_only=True)

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
        """The largest excess weight if `rule.excess_slope` is not negative; -inf without entries."""
        whole = self.__dict__.get("_whole")
        if whole is not None:  # calculated once in a fit, not in every half-step
            return float(whole.largest_excess)
        if not len(self.values):
            return -np.inf
        largest = max(float(self.values.max()), -float(self.values.min()))
        return self.rule.excess_slope * largest + self.rule.excess_shift

    @cached_property
    def stored_rows(self) -> int:
        """The number of rows with stored entries."""
        return int(np.count_nonzero(np.diff(self.indptr)))

    def of_entries(self, piece: slice) -> tuple[Floats, Floats]:
        """Return w and t of the entries `piece`."""
        return self.rule.weights(self.values[piece])

    @property
    def rows(self) -> int:
        """The number of rows of the side being solved."""
        return len(self.indptr) - 1

    def follow(self, X: Any) -> None:
        """Take note of this side's new factors; a side with prior means fits its attributes to them."""

    def warm(self, X: Floats) -> Floats:
        """Return X (rows, f) without what a prior mean has put in rows without entries."""
        return X

    def penalty(self, X: Floats) -> float:
        """Return what regularisation adds to the objective at X (rows, f), in float64."""
        return float(self.lam @ np.einsum("uf,uf->u", X, X, dtype=np.float64))

    def fixing(self, Y: Floats, **more: Any) -> Problem:
        """Return the half-step with the other side fixed at Y (columns, f); `more`: see `Problem`."""
        problem = Problem.__new__(Problem)  # its constructor takes longer: 30 times in a fit
        assert more.keys() <= {"side_rows", *_DEFAULTS}, more
        own = {**_DEFAULTS, "Y": Y, "side_rows": self.stored_rows, "_whole": self, **more}
        vars(problem).update({name: vars(self)[name] for name in _OF_WEIGHTS} | own)
        return problem


@dataclass(frozen=True)
class Problem(Weights):
    """One half-step: find X (rows, f) given Y (columns, f).

    Attributes
    ----------
    Y
        (columns, f) the fixed side's factors.
    side_rows
        The number of rows with stored entries on the whole side, also in a problem that is a block.
    YtY
        The Gramian Y'Y (f, f) if it is known already, else None.
    omega
        The over-relaxation factor: rungs that over-relax move a row from its start x_0 to
        x_0 + omega (x - x_0) instead of to its solution x. 1 outside of a fit.
    reports
        None, or a list to which solvers that measure how far they solved append a `HalfStepReport`.
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
        """Return the problem of the rows from start to stop - 1; its arrays are views."""
        first, last = self.indptr[start], self.indptr[stop]
        return replace(
            self,
            indptr=self.indptr[start : stop + 1] - first,
            indices=self.indices[first:last],
            values=self.values[first:last],
            lam=self.lam[start:stop],
        )

    def subset(self, rows: Integers) -> Problem:
        """Return the problem of the given rows; its arrays are copies."""
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
        """Yield (start, stop) of runs of rows: at most `entries` stored entries, or a single row."""
        start = 0
        while start < self.rows:
            limit = self.indptr[start] + entries
            stop = int(np.searchsorted(self.indptr, limit, side="right")) - 1
            # The bound on the number of rows keeps empty rows from making one huge block.
            stop = min(max(stop, start + 1), start + entries, self.rows)
            yield start, stop
            start = stop

    def row_of_entry(self) -> Integers:
        """Return the row of each stored entry, (entries,)."""
        return np.repeat(np.arange(self.rows), np.diff(self.indptr))

    def stored_products(self, X: Floats) -> Floats:
        """Return x_u . y_i for each stored entry, (entries,), in X's dtype, in bounded pieces."""
        rows = self.row_of_entry()
        products = np.empty(len(rows), X.dtype)
        step = max(1, _GATHER_BYTES // (max(1, X.shape[1]) * X.itemsize))
        for start in range(0, len(rows), step):
            piece = slice(start, start + step)
            fixed = self.Y[self.indices[piece]].astype(X.dtype, copy=False)
            products[piece] = np.einsum("ef,ef->e", X[rows[piece]], fixed)
        return products

    def scatter(self, values: Floats) -> Floats:
        """Return each row's sum of v y_i over its stored entries, (rows, f); v is in `values`."""
        shape = (self.rows, self.columns)
        matrix = sparse.csr_array((values, self.indices, self.indptr), shape=shape)
        product: Floats = matrix @ self.Y
        return product

    @property
    def counted(self) -> Floats:
        """The rows of Y that Gramians count, (columns - pulled, f)."""
        return self.Y[: self.columns - self.pulled]

    def gramian(self) -> Floats:
        """Return a0 Y'Y, (f, f), which is part of every row's matrix."""
        YtY = gramian(self.counted, 1, self.Y.dtype) if self.YtY is None else self.YtY
        whole: Floats = YtY.astype(self.Y.dtype) * self.Y.dtype.type(self.a0)
        return whole

    def apply(self, P: Floats, gramian: Floats) -> Floats:
        """Return each row's matrix times its row of P (rows, f); `gramian` is a0 Y'Y."""
        Ap = P @ gramian
        Ap += self.lam[:, None].astype(P.dtype) * P
        Ap += self.scatter(self.w * self.stored_products(P))
        return Ap

    def right_hand_side(self) -> Floats:
        """Return b_u = sum t_ui y_i of each row, (rows, f)."""
        return self.scatter(self.t)


_OF_WEIGHTS = tuple(f.name for f in fields(Weights))
_DEFAULTS = {
    f.name: f.default
    for f in fields(Problem)
    if f.default is not MISSING and f.name not in _OF_WEIGHTS
}
