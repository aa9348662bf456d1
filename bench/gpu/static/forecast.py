"""What an iteration must cost on a card, from counted bytes and issue slots, for data of a given shape.

The rows of `halfstep.bench.gpu.shapes` are not generated for this: how many entries a row has is
expected from the degrees that users draw and from the popularity of items, by classes of users.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from halfstep.bench.gpu.plan import rounds
from halfstep.bench.gpu.shapes import Shape, popularity, wanted_degrees
from halfstep.bench.gpu.static.counts import dense
from halfstep.bench.gpu.static.issue import Pass
from halfstep.kernels.cuda.catalogue import LARGEST_SHARED
from halfstep.kernels.cuda.lanes import LARGE_WARPS, lanes, tiles
from halfstep.solvers.gpu.cg_9_gramian import ENTRIES_OF_SOLUTION

_CLASSES = 256
_TENSOR = ("gpu_cg_8_tensor", "gpu_cg_9_gramian")
_LANES = ("gpu_cg_3_warps", "gpu_cg_4_shared", "gpu_cg_5_binned", "gpu_cg_6_split", "gpu_cg_7_half")
_MODES = ("residual", "product")
_UPDATE = 19.25  # the loop with the most multiply-adds in `cg_9_solve` takes 77 for four columns
Floats = npt.NDArray[np.float64]


class Card(NamedTuple):
    """A card: bytes per second that a copy was measured at, and instructions of a warp per second."""

    name: str
    bandwidth: float
    slots: float


# 132 multiprocessors start four instructions in each cycle of 1.755 GHz.
SLOTS = 132 * 4 * 1.755e9
H100, H200 = Card("H100", 3.0e12, SLOTS), Card("H200", 4.3e12, SLOTS)
# The share of the issue slots that kernels with 16 warps on a multiprocessor are taken to use, and the
# rate of float32 and TF32 products by cuBLAS on either card.
REALISTIC, SINGLE, TF32 = 0.55, 45e12, 300e12


@dataclass(frozen=True)
class Lengths:
    """Expected entries of the rows of both sides: (users,) or classes of them, with their numbers."""

    entries: tuple[Floats, Floats]
    rows: tuple[Floats, Floats]


def row_lengths(shape: Shape) -> Lengths:
    """Return the lengths of a shape's rows, in which an item that a user draws twice counts once."""
    degrees = np.sort(wanted_degrees(shape, np.random.default_rng(0)))
    classes = [part for part in np.array_split(degrees, _CLASSES) if len(part)]
    mean = np.array([part.mean() for part in classes])
    number = np.array([len(part) for part in classes], np.float64)
    chance = popularity(shape)
    users, items = np.zeros(len(mean)), np.zeros(shape.items)
    for k, degree in enumerate(mean):
        drawn = -np.expm1(degree * np.log1p(-chance))
        users[k] = drawn.sum()
        items += number[k] * drawn
    return Lengths((users, items), (number, np.ones(shape.items)))


class Forecast(NamedTuple):
    """Seconds of an iteration: by bytes, by issue slots at 100 %, of products in float32 and in TF32."""

    bytes: float
    slots: float
    products: float
    products_tf32: float

    def total(self) -> float:
        """Return the seconds with the realistic share of the issue slots, products in float32."""
        return max(self.bytes, self.slots / REALISTIC) + self.products


def forecast(
    card: Card,
    rung: str,
    f: int,
    shape: Shape,
    lengths: Lengths,
    passes: int,
    found: Sequence[Pass],
) -> Forecast:
    """Return the forecast of an iteration in which every row takes so many passes.

    The arithmetic of a row beside its entries is left out: a few hundred instructions a pass.
    """
    row_bytes = f * (2.0 if rounds(rung) else 4.0)
    kept, exact = kept_by_block(rung, f), np.inf
    if rung == "gpu_cg_9_gramian":
        exact = max(kept, f**2 / ENTRIES_OF_SOLUTION)
    read = issued = 0.0
    for entries, rows in zip(lengths.entries, lengths.rows, strict=True):
        short = float((entries * rows)[entries <= kept].sum())
        long = float((entries * rows)[(entries > kept) & (entries <= exact)].sum())
        solved = float((entries * rows)[entries > exact].sum())
        once = row_bytes + 8 + 4 * passes
        read += short * once + long * passes * (row_bytes + 12) + solved * (row_bytes + 20)
        read += 8.0 * f * float(rows.sum())
        issued += short * _slots(found, rung, f, "kept", passes)
        issued += long * _slots(found, rung, f, "gathered", passes)
        if solved:
            issued += solved * _mean(found, ("gpu_cg_9_gramian",), f, "system", "gathered")
            issued += float(rows[entries > exact].sum()) * slots_of_solution(f)
    products = dense(rung, f, shape.users, shape.items) + dense(rung, f, shape.items, shape.users)
    single = max(products.flops / SINGLE, products.bytes / card.bandwidth)
    # The Gramian, one of four products, stays in float32.
    mixed = max(products.flops * (0.25 / SINGLE + 0.75 / TF32), products.bytes / card.bandwidth)
    return Forecast(read / card.bandwidth, issued / card.slots, single, mixed)


def kept_by_block(rung: str, f: int) -> int:
    """Return the entries of the longest row that a block keeps."""
    if rung in _TENSOR:
        found = tiles(f, diagonal=False, shared_limit=LARGEST_SHARED, large=True)
        return found.warps * found.kept
    room = LARGEST_SHARED // 2048 * 1024
    layout = lanes(f, stored_by(rung), diagonal=False, warps=LARGE_WARPS, shared=room)
    return LARGE_WARPS * layout.kept


def stored_by(rung: str) -> str:
    """Return the type in which a CG rung stores the fixed side of float32 fits."""
    return "float16" if rounds(rung) else "float32"


def slots_of_solution(f: int) -> float:
    """Return the issue slots of a row's solution by Cholesky's method: twice those of its updates.

    An update subtracts the products of a panel of 16 columns from what is right of them, by tiles of
    four by four in each lane, whose turn of the loop takes `_UPDATE` instructions for a column.
    """
    rows = np.arange(f - 16, 0, -16) / 4
    return 2.0 * float((rows * (rows + 1) / 2).sum()) * 16 * _UPDATE / 32


def _slots(found: Sequence[Pass], rung: str, f: int, where: str, passes: int) -> float:
    """Return the issue slots of an entry in all passes of a row, by the mean of the rung's kernels."""
    # Rung 6 has the kernels of rungs 4 and 5 for all rows but hubs, rung 7 has them in 16 bits, and
    # rung 9 those of rung 8.
    family = _TENSOR if rung in _TENSOR else _LANES
    residual, product = (_mean(found, family, f, m, where, stored_by(rung)) for m in _MODES)
    return residual + (passes - 1) * product


def _mean(
    found: Sequence[Pass], family: tuple[str, ...], f: int, mode: str, where: str,
    stored: str = "float16",
) -> float:  # fmt: skip
    mine = [
        one.slots
        for one in found
        if (one.stored, one.factors, one.mode, one.where) == (stored, f, mode, where)
        and one.rung in family
    ]
    return float(np.mean(mine)) if mine else np.nan
