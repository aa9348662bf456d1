"""Compare whole numbers, words, and floats to the last bit; say what was expected and what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from halfstep.lab.judging import NOTHING, Judged, compare_rows

_SHOWN = 6  # numbers of an array


def rows(result: Any, right: Any) -> Judged:
    """Compare floats but for rounding."""
    return compare_rows(result, np.asarray(right, dtype=np.float64), dict)


def whole_number(result: Any, right: Any) -> Judged:
    """Compare a whole number."""
    if result is None:
        return NOTHING
    kind = type(result).__name__
    number = result
    if isinstance(number, np.ndarray) and number.size == 1:
        number = number.item()
    if isinstance(number, bool | np.bool_) or not isinstance(
        number, int | float | np.integer | np.floating
    ):
        return Judged("wrong", f"it must return a whole number, got {kind}", "a whole number", kind)
    if number == right:
        return Judged("right", "")
    return Judged("wrong", f"it is {number:.12g}, it must be {right}", f"{right}", f"{number:.12g}")


def word(*allowed: str) -> Callable[[Any, Any], Judged]:
    """Return the comparison of a result that must be one of some words."""

    def compare(result: Any, right: Any) -> Judged:
        if result is None:
            return NOTHING
        both = " or ".join(f'"{one}"' for one in allowed)
        if not isinstance(result, str) or result not in allowed:
            return Judged("wrong", f"it must return {both}, got {result!r}", both, f"{result!r}")
        if result == right:
            return Judged("right", "")
        return Judged("wrong", f'it is "{result}", it must be "{right}"', right, result)

    return compare


def whole_numbers(result: Any, right: Any) -> Judged:
    """Compare an array of whole numbers, place by place."""
    if result is None:
        return NOTHING
    answer = np.asarray(result)
    wrong = _misshapen(answer, right)
    if wrong is not None:
        return wrong
    if answer.dtype.kind not in "iu":
        said = f"the result must be whole numbers, got {answer.dtype}"
        return Judged("wrong", said, "whole numbers", f"{answer.dtype}")
    return _places(answer, right, answer == right, "place", str)


def bits(place: str, dtype: str, shown: Callable[[Any], str]) -> Callable[[Any, Any], Judged]:
    """Return the comparison of numbers to their last bit; any NaN is right for a NaN.

    Parameters
    ----------
    place
        What a place of the array is called.
    dtype
        The type that the result must have; a single Python float may stand for a float32.
    shown
        Returns a number as the student reads it.
    """

    def compare(result: Any, right: Any) -> Judged:
        if result is None:
            return NOTHING
        answer = np.asarray(result)
        if isinstance(result, float) and answer == answer.astype(dtype):
            answer = answer.astype(dtype)
        wrong = _misshapen(answer, right)
        if wrong is not None:
            return wrong
        if answer.dtype != dtype:
            exact = "" if np.size(right) > 1 else f", {answer!s}"
            said = f"the result must be {dtype}, got {answer.dtype}{exact}"
            return Judged("wrong", said, dtype, f"{answer.dtype}{exact}")
        same = (answer.view(f"u{answer.itemsize}") == right.view(f"u{right.itemsize}")) | (
            _is_nan(answer) & _is_nan(right)
        )
        return _places(answer, right, same, place, shown)

    return compare


def _is_nan(numbers: Any) -> Any:
    """Return which numbers are NaN: floats, or the bits of a bfloat16."""
    if numbers.dtype == np.uint16:
        return (numbers & 0x7FFF) > 0x7F80
    return np.isnan(numbers)


def _misshapen(answer: Any, right: Any) -> Judged | None:
    shape = np.shape(right)
    if answer.shape == shape:
        return None
    wanted = f"shape {shape}" if shape else "a single number"
    said = f"the result must have shape {shape}, got {answer.shape}"
    if not shape:
        said = f"the result must be a single number, got an array of shape {answer.shape}"
    return Judged("wrong", said, wanted, f"shape {answer.shape}")


def _places(answer: Any, right: Any, same: Any, place: str, shown: Callable[[Any], str]) -> Judged:
    """Return what is found of an array whose places are the same, or not."""
    if np.all(same):
        return Judged("right", "")
    if not np.shape(right):
        got, must = shown(answer[()]), shown(right[()])
        return Judged("wrong", f"it is {got}, it must be {must}", must, got)
    at = int(np.argmin(same))
    got, must = shown(answer[at]), shown(right[at])
    differ = f"{int(np.sum(~same))} of {len(right)} differ"
    more = " ..." if len(right) - at > _SHOWN else ""
    expected, came = (
        f"from {place} {at} on: {', '.join(shown(one) for one in numbers[at : at + _SHOWN])}{more}"
        for numbers in (right, answer)
    )
    return Judged("wrong", f"{place} {at} is {got}, it must be {must}; {differ}", expected, came)
