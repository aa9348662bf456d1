"""Compare the result of an exercise with the right one, and say what was expected and what came.

A result that is the same as with one of the usual mistakes is told so.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from halfstep.lab.reference import Array

TOLERANCE = 1e-6
_SHOWN = 6  # numbers of a row


@dataclass(frozen=True)
class Finding:
    """The result of one call of one exercise.

    Attributes
    ----------
    exercise
        Its name in `halfstep.lab.check.EXERCISES`.
    step
        The half-step, as in "iteration 1, users", or the problem, as in "step 2"; "" if there is one.
    state
        "right", "wrong", "open" (not written yet) or "failed".
    said
        The message for the student: by how much the result is wrong, where, and perhaps why.
    expected, got
        Where it is wrong, what it must be and what it is; "" if it is right or open.
    """

    exercise: str
    step: str
    state: str
    said: str
    expected: str = ""
    got: str = ""


@dataclass(frozen=True)
class Judged:
    """What one comparison found: a `Finding` without the exercise's name and step."""

    state: str
    said: str
    expected: str = ""
    got: str = ""


NOTHING = Judged("open", "it returns nothing")


def finding(
    name: str, step: str, what: str, compare: Callable[[], Judged], source: str = ""
) -> Finding:
    """Return the finding of `compare`, which calls the exercise, or of the error that it raises.

    Parameters
    ----------
    what
        What the exercise returns, as in "an array of shape (7, 4)".
    source
        How the file names of the exercise's own code begin, whose last line in a traceback is told.
    """
    try:
        with np.errstate(all="ignore"):
            judged = compare()
    except NotImplementedError:
        judged = Judged("open", "not written yet")
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        lines = [
            f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(source)
        ]
        if source and lines:
            where = lines[-1].filename.removeprefix(source).lstrip(": ")
            said += f" ({where}{', ' if where else ''}line {lines[-1].lineno})"
        judged = Judged("failed", said, what, said)
    return Finding(name, step, judged.state, judged.said, judged.expected, judged.got)


def compare_rows(result: Any, right: Array, mistakes: Callable[[], Mapping[str, Array]]) -> Judged:
    """Compare an array (rows, f) or (f,) with the right one, relative to the right one's size."""
    if result is None:
        return NOTHING
    answer = np.asarray(result, dtype=np.float64)
    if answer.shape != right.shape:
        return Judged(
            "wrong",
            f"the result must have shape {right.shape}, got {answer.shape}",
            f"shape {right.shape}",
            f"shape {answer.shape}",
        )
    rows, answers = np.atleast_2d(right), np.atleast_2d(answer)
    finite = np.isfinite(answers).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        return Judged(
            "wrong", f"row {row} has entries that are not finite", *_both(rows, answers, row)
        )
    error = relative(answer, right)
    if error <= TOLERANCE:
        return Judged("right", f"relative error {error:.0e}")
    sizes = np.linalg.norm(answers - rows, axis=1)
    differ = int((sizes > TOLERANCE * max(float(np.linalg.norm(rows, axis=1).max()), 1)).sum())
    worst = int(sizes.argmax())
    message = f"relative error {error:.2g}"
    if right.ndim == 2:
        message += (
            f": {differ} of {len(rows)} rows differ, most of all row {worst}, by {sizes[worst]:.3g}"
        )
    return Judged("wrong", message + _same(answer, mistakes()), *_both(rows, answers, worst))


def unchanged(judged: Judged, name: str, given: Array, before: Array) -> Judged:
    """Return what was found, or that a right result was paid for by writing into an argument."""
    if judged.state != "right" or np.array_equal(given, before):
        return judged
    said = f"it writes into its argument {name}, which must stay as it is"
    return Judged("wrong", said, f"{name} as it was", f"{name} changed")


def misshapen(result: Any, right: Mapping[str, Array]) -> Judged | None:
    """Return what is wrong with a result that is not two arrays of the right shapes; None if it is."""
    if result is None:
        return NOTHING
    names = " and the ".join(right)
    if not isinstance(result, tuple | list) or len(result) != 2:
        kind = type(result).__name__
        said = f"it must return two arrays, the {names}, got {kind}"
        return Judged("wrong", said, f"two arrays, the {names}", kind)
    for (name, expected), answer in zip(right.items(), result, strict=True):
        shape = np.shape(answer)
        if shape != expected.shape:
            said = f"the {name} must have shape {expected.shape}, got {shape}"
            return Judged("wrong", said, f"shape {expected.shape}", f"shape {shape}")
    return None


def compare_pair(result: Any, right: Mapping[str, Array]) -> Judged:
    """Compare two arrays with the right ones, given with their names, entry by entry."""
    wrong = misshapen(result, right)
    if wrong is not None:
        return wrong
    for (name, expected), answer in zip(right.items(), result, strict=True):
        values = np.asarray(answer, dtype=np.float64)
        apart = np.abs(values - expected)
        if not apart.max() <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
            row, column = (int(at) for at in np.unravel_index(int(apart.argmax()), apart.shape))
            place = f"the {name} of entry ({row}, {column})"
            got, must = f"{values[row, column]:g}", f"{expected[row, column]:g}"
            said = f"{place} is {got}, it must be {must}"
            return Judged("wrong", said, f"{must}, {place}", got)
    return Judged("right", "")


def compare_number(
    result: Any, right: float, mistakes: Mapping[str, float] | None = None
) -> Judged:
    """Compare a number with the right one, relative to its size."""
    if result is None:
        return NOTHING
    value = float(result)
    error = abs(value - right) / abs(right)
    if error <= TOLERANCE:
        return Judged("right", f"relative error {error:.0e}")
    same = {mistake: np.array([wrong]) for mistake, wrong in (mistakes or {}).items()}
    said = f"it is {value:.6g}, it must be {right:.6g}: {error:.2%} away"
    said += _same(np.array([value]), {m: w for m, w in same.items() if w[0] != right})
    return Judged("wrong", said, f"{right:.6g}", f"{value:.6g}")


def relative(answer: Array, right: Array) -> float:
    """Return the distance of two arrays as a share of the right one's size, or of 1 if that is 0."""
    return float(np.linalg.norm(answer - right) / (np.linalg.norm(right) or 1.0))


def _same(answer: Array, mistakes: Mapping[str, Array]) -> str:
    for mistake, wrong in mistakes.items():
        if relative(answer, wrong) <= 1e-5:
            return f"; the result is the same as when {mistake}"
    return ""


def _both(right: Array, answer: Array, row: int) -> tuple[str, str]:
    """Return one row of the right result and of the answer, the first numbers of each."""
    more = " ..." if right.shape[1] > _SHOWN else ""
    where = f"row {row}: " if len(right) > 1 else ""
    for digits in (5, 12):  # more where a few do not tell the two apart
        expected, got = (
            where + " ".join(f"{value:.{digits}g}" for value in values[row, :_SHOWN]) + more
            for values in (right, answer)
        )
        if expected != got:
            break
    return expected, got
