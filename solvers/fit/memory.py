"""The memory that a fit needs, estimated before it starts and compared with what there is.

An overcommitting system lets a process allocate what it does not have and kills it hours later. So a
fit that cannot end says so in one line at the start, and says what would fit. The estimate is of what
a fit adds to the caller's matrix, in the two phases that can be the peak:

* preparing: both sides' weights and the pieces that are being weighed;
* iterating: both sides' weights; factors of the last iteration, which the model keeps until the next
  ones are known to be good, and the new ones; and what the half-step works in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.errors import NotEnoughMemory
from halfstep.kernels.cpu.threads import cores
from halfstep.memory import available, gigabytes
from halfstep.solvers.fit.weights import index_type, is_plain

_OBJECTIVE_ENTRIES = 1 << 20
_INDEX_BYTES = 4


@dataclass(frozen=True)
class Size:
    """What the memory of a fit depends on.

    `itemsize` in bytes a number; `own_bytes` an entry that the users' side does not share with the
    caller's matrix.
    """

    users: int
    items: int
    entries: int
    factors: int
    itemsize: int
    own_bytes: int
    threads: int
    with_loss: bool

    @property
    def longer(self) -> int:
        """Rows of the larger side."""
        return max(self.users, self.items)

    def factor_bytes(self, rows: int) -> int:
        """Return the size of so many rows of factors."""
        return rows * self.factors * self.itemsize


class Fitting(Protocol):
    """What is read here of a solver."""

    factors: int
    dtype: npt.DTypeLike
    confidence: str
    num_threads: int
    calculate_training_loss: bool

    def scratch_bytes(self, size: Size) -> int:
        """Return the bytes that a half-step works in, beside its argument and its result."""


def size_of(model: Fitting, matrix: sparse.csr_matrix) -> Size:
    """Return the size of fitting `model` to a canonical matrix."""
    users, items = matrix.shape
    kind = np.dtype(model.dtype)
    shared = model.confidence not in ("binary", "log") and is_plain(matrix.data, kind)
    same = is_plain(matrix.indices, index_type(items))
    return Size(
        users,
        items,
        int(matrix.nnz),
        int(model.factors),
        np.dtype(model.dtype).itemsize,
        (0 if shared else kind.itemsize) + (0 if same else _INDEX_BYTES),
        cores(int(model.num_threads)),
        bool(model.calculate_training_loss),
    )


def parts(size: Size, scratch: int) -> dict[str, int]:
    """Return the bytes that a fit on the host needs at its peak, by what they are for."""
    n, s = size.entries, size.itemsize
    pointers = 8 * (size.users + size.items)
    weights = n * (size.own_bytes + s + _INDEX_BYTES) + 3 * pointers
    # The pieces that the threads weigh.
    preparing = 6 * s * min(n, size.threads << 18)
    # After the items' half-step: both sides old and new.
    factors = 2 * size.factor_bytes(size.users + size.items)
    if size.with_loss:
        loss = 8 * size.factors * (size.users + size.items) + 48 * min(n, _OBJECTIVE_ENTRIES)
        scratch = max(scratch, loss)
    if preparing > factors + scratch:
        return {"weights": weights, "preparing them": preparing}
    return {"weights": weights, "factors": factors, "scratch": scratch}


def compiled_scratch(size: Size) -> int:
    """Return what a compiled half-step works in: rotated factors, f x f matrices, threads' scratch."""
    square = size.factors**2
    thread = (2 << 20) + (2 << 10) * size.factors * size.itemsize + 2 * square * size.itemsize
    return size.factor_bytes(size.longer) + 16 * 8 * square + size.threads * thread


def needed(model: Fitting, matrix: sparse.csr_matrix) -> dict[str, int]:
    """Return the bytes that fitting `model` to `matrix` needs at its peak, by what they are for."""
    return _needed(model, size_of(model, matrix))


def _needed(model: Fitting, size: Size) -> dict[str, int]:
    return parts(size, model.scratch_bytes(size))


def check_memory(model: Fitting, matrix: sparse.csr_matrix) -> None:
    """Raise NotEnoughMemory where a fit would need more than there is; says what would fit."""
    free = available()
    if free is None:
        return
    size = size_of(model, matrix)
    need = _needed(model, size)
    total = sum(need.values())
    if total <= free:
        return
    listed = ", ".join(f"{name} {gigabytes(part)}" for name, part in need.items())
    raise NotEnoughMemory(
        f"this fit needs about {gigabytes(total)} of memory ({listed}), and "
        f"{gigabytes(free)} are free: {_what_fits(model, size, free)}"
    )


def _what_fits(model: Fitting, size: Size, free: int) -> str:
    def total(size: Size) -> int:
        return sum(_needed(model, size).values())

    def fits(**changes: Any) -> bool:
        return total(replace(size, **changes)) <= free

    if size.itemsize == 8 and fits(itemsize=4):
        return "dtype float32 would fit"
    most = most_factors(lambda factors: fits(factors=factors), size.factors)
    if most:
        return f"factors={most} would fit"
    least = replace(size, factors=1)
    share = free / total(least)
    return f"with any number of factors at most {share:.0%} of these entries would fit"


def most_factors(fits: Callable[[int], bool], wanted: int) -> int:
    """Return the largest number of factors below `wanted`, which does not fit, that fits; or 0."""
    low, high = 0, wanted
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
