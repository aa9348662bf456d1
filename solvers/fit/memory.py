"""The memory that a fit needs, estimated before it starts and compared with what is free.

A system that overcommits memory lets a process allocate more than there is, and kills it hours later. So
a fit that cannot end is refused at the start, with one line that says what would fit. The estimate is
what a fit needs besides the caller's matrix, at the larger of two peaks:

* preparing: the weights of both sides, and the pieces that the threads are weighing, or their counts of
  each item's entries;
* iterating: the weights of both sides; the factors of the last iteration, which the model keeps until
  the next ones are known to be finite; the new factors; and the scratch memory of the half-step.
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
from halfstep.kernels.sparse.counts import pieces_for
from halfstep.memory import available, gigabytes, overruled
from halfstep.solvers.fit.weights import index_type, is_plain

# Of bytes. Python itself has taken more; to ask the system takes as long as a fit that needs so little.
_NEXT_TO_NOTHING = 64 << 20
_OBJECTIVE_ENTRIES = 1 << 20
_OBJECTIVE_BYTES = 32 << 20  # of factors in float64, a block at a time
_INDEX_BYTES = 4
_PADDED_BYTES = 128  # of which a rotated row is a multiple, at most


@dataclass(frozen=True)
class Size:
    """The numbers on which the memory of a fit depends.

    `itemsize` is in bytes per number. `own_bytes` is what the users' side does not share with the
    caller's matrix, in bytes per entry.
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
        """The number of rows of the larger side."""
        return max(self.users, self.items)

    def factor_bytes(self, rows: int) -> int:
        """Return the bytes of `rows` rows of factors."""
        return rows * self.factors * self.itemsize


class Fitting(Protocol):
    """The attributes and methods of a solver that are used here."""

    factors: int
    dtype: npt.DTypeLike
    confidence: str
    transform: str | None
    num_threads: int
    calculate_training_loss: bool

    def scratch_bytes(self, size: Size) -> int:
        """Return how many bytes a half-step allocates besides its result."""


def size_of(model: Fitting, matrix: sparse.csr_matrix) -> Size:
    """Return the size of fitting `model` to a canonical matrix."""
    users, items = matrix.shape
    kind = np.dtype(model.dtype)
    own = 0 if model.transform is None else kind.itemsize
    if model.confidence in ("binary", "log") or not (own or is_plain(matrix.data, kind)):
        own += kind.itemsize
    same = is_plain(matrix.indices, index_type(items))
    return Size(
        users,
        items,
        int(matrix.nnz),
        int(model.factors),
        np.dtype(model.dtype).itemsize,
        own + (0 if same else _INDEX_BYTES),
        cores(int(model.num_threads)),
        bool(model.calculate_training_loss),
    )


def parts(size: Size, scratch: int) -> dict[str, int]:
    """Return the bytes that a fit on the host needs at its peak, by purpose."""
    n, s = size.entries, size.itemsize
    pointers = 8 * (size.users + size.items)
    weights = n * (size.own_bytes + s + _INDEX_BYTES) + 3 * pointers
    # The pieces that the threads weigh; then the counts of the transpose, and its places.
    pieces = pieces_for(n, size.items, size.threads)
    preparing = max(6 * s * min(n, size.threads << 18), 8 * size.items * (pieces + 2))
    # After the items' half-step: the old and the new factors of both sides.
    factors = 2 * size.factor_bytes(size.users + size.items)
    if size.with_loss:
        loss = 48 * min(n, _OBJECTIVE_ENTRIES) + _OBJECTIVE_BYTES
        scratch = max(scratch, loss)
    if preparing > factors + scratch:
        return {"weights": weights, "preparing them": preparing}
    return {"weights": weights, "factors": factors, "scratch": scratch}


def compiled_scratch(size: Size) -> int:
    """Return the bytes of a compiled half-step: rotated factors, f x f matrices, threads' scratch.

    They are what comes on top of both sides' old and new factors. In the users' half-step the rotated
    items take the place of the items' new factors, which are not there yet.
    """
    square = size.factors**2
    lanes = _PADDED_BYTES // size.itemsize
    wide = -(-size.factors // lanes) * lanes * size.itemsize
    rotated = max(size.users * wide, size.items * wide - size.factor_bytes(size.items))
    thread = (2 << 20) + (2 << 10) * size.factors * size.itemsize + 2 * square * size.itemsize
    return rotated + 16 * 8 * square + size.threads * thread


def needed(model: Fitting, matrix: sparse.csr_matrix) -> dict[str, int]:
    """Return the bytes that fitting `model` to `matrix` needs at its peak, by purpose."""
    return _needed(model, size_of(model, matrix))


def _needed(model: Fitting, size: Size) -> dict[str, int]:
    return parts(size, model.scratch_bytes(size))


def check_memory(model: Fitting, matrix: sparse.csr_matrix, attributes: int = 0) -> None:
    """Raise NotEnoughMemory, which says what would fit, if a fit needs more memory than is free.

    `attributes` is what a fit with such needs more, in bytes.
    """
    size = size_of(model, matrix)
    need = _needed(model, size) | ({"attributes": attributes} if attributes else {})
    total = sum(need.values())
    if total <= _NEXT_TO_NOTHING and not overruled():
        return
    free = available()
    if free is None or total <= free:
        return
    listed = ", ".join(f"{name} {gigabytes(part)}" for name, part in need.items())
    raise NotEnoughMemory(
        f"this fit needs about {gigabytes(total)} of memory ({listed}), and "
        f"{gigabytes(free)} are free: {_what_fits(model, size, free - attributes)}"
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
    """Return the largest number of factors that fits, or 0; `wanted` factors do not fit."""
    low, high = 0, wanted
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
