"""The exercises of sums over lanes and over a block, and of rounding: every result to its last bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from halfstep.lab.ladder.comparing import bits
from halfstep.lab.ladder.exercise import Exercise, Problem

Floats: TypeAlias = npt.NDArray[np.float32]
Words: TypeAlias = npt.NDArray[np.uint16]
WARP = 32
DISTANCES = (16, 8, 4, 2, 1)


def _exchanged(lanes: Any, distances: Sequence[int] = DISTANCES) -> Any:
    for distance in distances:
        lanes = lanes + lanes[np.arange(WARP) ^ distance]
    return lanes


def _in_place(lanes: Any) -> Any:
    """Return the lanes' numbers where each adds what the lanes before it have added already."""
    held = lanes.copy()
    for distance in DISTANCES:
        for lane in range(WARP):
            held[lane] += held[lane ^ distance]
    return held


def _shifted_down(lanes: Any) -> Any:
    """Return the sums by shuffles down, where a lane beyond the last one gives the lane's own number."""
    for distance in DISTANCES:
        others = np.arange(WARP) + distance
        given = lanes[np.where(others < WARP, others, np.arange(WARP))]
        lanes = lanes + given
    return lanes


def _one_by_one(numbers: Any) -> Any:
    total = np.float32(0)
    for number in numbers:
        total = np.float32(total + number)
    return total


def _mixed(seed: int, count: int) -> Floats:
    """Return numbers of several sizes, whose sum depends on the order."""
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.uniform(-3, 3, count)
    values: Floats = (sizes * rng.choice([-1.0, 1.0], count)).astype(np.float32)
    return values


def _warps() -> list[Problem]:
    return [Problem(f"warp {k}", (_mixed(seed, WARP),)) for k, seed in enumerate((4, 5, 9), 1)]


def _float(number: Any) -> str:
    return str(number)


BUTTERFLY_SUM = Exercise(
    what="a warp's sum by xor-shuffles",
    returns="an array of shape (32,), float32",
    problems=_warps,
    right=_exchanged,
    mistakes={
        "the distances grow from 1 to 16": lambda lanes: _exchanged(lanes, DISTANCES[::-1]),
        "the distance 1 is left out": lambda lanes: _exchanged(lanes, DISTANCES[:-1]),
        "the distance 16 is left out": lambda lanes: _exchanged(lanes, DISTANCES[1:]),
        "a lane gets what the other one holds after it has added": _in_place,
        "lane i adds the number of lane i + distance: only lane 0 gets the sum": _shifted_down,
        "the lanes are added one after another": lambda lanes: np.repeat(_one_by_one(lanes), WARP),
        "the sum is formed in float64 and then rounded": lambda lanes: np.repeat(
            np.float32(lanes.sum(dtype=np.float64)), WARP
        ),
        "NumPy adds the lanes, in its own order": lambda lanes: np.repeat(lanes.sum(), WARP),
    },
    compare=bits("lane", "float32", _float),
)


def _of_warps(
    values: Floats, distances: Sequence[int] = DISTANCES, *, padded: bool = True
) -> list[np.float32]:
    """Return the sum of each warp, whose missing lanes hold 0, or are left out with its values."""
    whole = len(values) // WARP * WARP
    if padded:
        values = np.append(values, np.zeros(-len(values) % WARP, np.float32))
        whole = len(values)
    return [
        np.float32(_exchanged(values[first : first + WARP], distances)[0])
        for first in range(0, whole, WARP)
    ]


def _as_tree(numbers: Any) -> Any:
    """Return the sum of the numbers in which the upper half is added to the lower one, to the end."""
    size = 1 << max(0, len(numbers) - 1).bit_length()
    held = np.append(np.asarray(numbers, np.float32), np.zeros(size - len(numbers), np.float32))
    while size > 1:
        size //= 2
        held = held[:size] + held[size:]
    return np.float32(held[0])


def _blocks() -> list[Problem]:
    return [
        Problem("one warp", (_mixed(10, 32),)),
        Problem("four warps", (_mixed(2, 128),)),
        Problem("300 values", (_mixed(3, 300),)),
        Problem("5 values", (_mixed(6, 5),)),
    ]


BLOCK_SUM = Exercise(
    what="a block's sum in float32, in the kernel's order",
    returns="a float32",
    problems=_blocks,
    right=lambda values: _one_by_one(_of_warps(values)),
    mistakes={
        "all values are added one after another": _one_by_one,
        "the sum is formed in float64 and then rounded": lambda values: np.float32(
            values.sum(dtype=np.float64)
        ),
        "NumPy adds the values, in its own order": lambda values: np.float32(values.sum()),
        "neighbours are added first, at the distance 1": lambda values: _one_by_one(
            _of_warps(values, DISTANCES[::-1])
        ),
        "the whole block is one tree": _as_tree,
        "the warps' sums are added as a tree, too": lambda values: _as_tree(_of_warps(values)),
        "the warps' sums are added from the last one on": lambda values: _one_by_one(
            _of_warps(values)[::-1]
        ),
        "the values of a warp that is not full are left out": lambda values: _one_by_one(
            _of_warps(values, padded=False)
        ),
        "a warp adds its values one after another": lambda values: _one_by_one(
            [_one_by_one(values[first : first + WARP]) for first in range(0, len(values), WARP)]
        ),
    },
    compare=bits("place", "float32", _float),
)


def _words(values: Floats) -> npt.NDArray[np.uint32]:
    return values.view(np.uint32)


def _rounded(values: Floats) -> Words:
    words = _words(values)
    up = (words + 0x7FFF + (words >> 16 & 1)) >> 16
    return np.where(np.isnan(values), 0x7FC0, up).astype(np.uint16)


def _without_nan(values: Floats) -> Words:
    words = _words(values)
    return ((words + 0x7FFF + (words >> 16 & 1)) >> 16).astype(np.uint16)


def _halves_up(values: Floats) -> Words:
    words = _words(values).astype(np.uint64)
    up = ((words + 0x8000) >> 16).astype(np.uint16)
    return np.where(np.isnan(values), np.uint16(0x7FC0), up)


def _halves_down(values: Floats) -> Words:
    words = _words(values).astype(np.uint64)
    down = ((words + 0x7FFF) >> 16).astype(np.uint16)
    return np.where(np.isnan(values), np.uint16(0x7FC0), down)


def _truncated(values: Floats) -> Words:
    return (_words(values) >> 16).astype(np.uint16)


def _flushed(values: Floats) -> Words:
    small = np.abs(values) < np.finfo(np.float32).tiny
    return np.where(small, _truncated(np.copysign(np.float32(0), values)), _rounded(values))


def _saturated(values: Floats) -> Words:
    largest = np.where(values < 0, np.uint16(0xFF7F), np.uint16(0x7F7F))
    found = _rounded(values)
    return np.where(((found & 0x7FFF) == 0x7F80) & np.isfinite(values), largest, found)


def _of_words(*words: int) -> Floats:
    return np.array(words, np.uint32).view(np.float32)


def _to_round() -> list[Problem]:
    ties = _of_words(0x3F808000, 0x3F818000, 0xBF808000, 0xC0FF8000, 0x3F808001, 0x3F817FFF)
    small = _of_words(0, 0x80000000, 1, 0x00008000, 0x00018000, 0x80018001, 0x007FFFFF, 0x00800000)
    ends = _of_words(0x7F7F0000, 0x7F7F7FFF, 0x7F7F8000, 0x7F7FFFFF, 0xFF7FFFFF)
    infinite = _of_words(0x7F800000, 0xFF800000)
    nans = _of_words(0x7FC00000, 0x7F800001, 0xFF800001, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FBFFFFF)
    return [
        Problem("ordinary numbers", (_mixed(31, 40),)),
        Problem("halfway between two", (ties,)),
        Problem("near zero, subnormals", (small,)),
        Problem("near the largest", (ends,)),
        Problem("infinities", (infinite,)),
        Problem("NaNs", (nans,)),
    ]


def _word(number: Any) -> str:
    as_float = np.array([int(number) << 16], np.uint32).view(np.float32)[0]
    return f"0x{int(number):04x} ({as_float!s})"


TO_BFLOAT16 = Exercise(
    what="round to bfloat16 by the bits",
    returns="an array of uint16",
    problems=_to_round,
    right=_rounded,
    mistakes={
        "the lower half is cut off, not rounded": _truncated,
        "halfway cases are rounded up, not to the even number": _halves_up,
        "halfway cases are rounded down, not to the even number": _halves_down,
        "a NaN is rounded like a number and becomes infinite, or about zero": _without_nan,
        "subnormals become zero": _flushed,
        "what rounds to infinity becomes the largest number": _saturated,
        "the numbers are rounded to float16, another format": lambda values: values.astype(
            np.float16
        ).view(np.uint16),
    },
    compare=bits("number", "uint16", _word),
)
