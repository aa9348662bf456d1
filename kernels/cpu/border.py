"""What compiled loops take for granted, checked before they get the arrays.

The loops do not check bounds: an index or a width that is wrong by one reads what lies beyond an array,
or writes there. Callers check what users gave them and say it in the users' words. These checks are the
last line, for a caller that did not, and cost a pass over indices at most.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from halfstep.types import Floats


def check_pair(X: Floats, Y: Floats) -> None:
    """Raise ValueError unless X (rows, f) and Y (items, f) have one width, at least 1, and one type."""
    fits = X.ndim == Y.ndim == 2 and X.shape[1] == Y.shape[1] > 0
    if not fits or X.dtype != Y.dtype or X.dtype not in (np.float32, np.float64):
        raise ValueError(
            "X and Y must be matrices of one width and type, "
            f"got {X.shape} {X.dtype} and {Y.shape} {Y.dtype}"
        )


def check_within(name: str, places: npt.NDArray[Any], below: int) -> None:
    """Raise ValueError unless `places` is a list of integers from 0 to below - 1."""
    if places.ndim != 1 or places.dtype.kind not in "iu":
        raise ValueError(f"{name} must be a list of integers, got {places.shape} {places.dtype}")
    if len(places) and not 0 <= places.min() <= places.max() < below:
        raise ValueError(
            f"{name} must be from 0 to {below - 1}, got {places.min()} to {places.max()}"
        )


def check_rows(name: str, indptr: npt.NDArray[Any], entries: int) -> None:
    """Raise ValueError unless `indptr` rises, within 0 and `entries`."""
    if not len(indptr) or indptr[0] < 0 or indptr[-1] > entries or (np.diff(indptr) < 0).any():
        raise ValueError(f"{name} must have row pointers that rise, from 0 to {entries} at most")


def check_length(name: str, array: npt.NDArray[Any], length: int) -> None:
    """Raise ValueError unless `array` is one-dimensional with `length` elements."""
    if array.shape != (length,):
        raise ValueError(f"{name} must have shape ({length},), got {array.shape}")


def check_half_step(problem: Any, X: Floats) -> None:
    """Raise ValueError unless a half-step's arrays have the lengths that its loops read.

    `problem` is a `halfstep.solvers.problem.Problem`. That its indices are within its columns is sure
    since the matrix was read, and not checked in every half-step.
    """
    check_pair(X, problem.Y)
    if len(X) != problem.rows or len(problem.Y) != problem.columns:
        raise ValueError(
            f"X and Y must have {problem.rows} and {problem.columns} rows, "
            f"got {len(X)} and {len(problem.Y)}"
        )
    entries = int(problem.indptr[-1])
    if min(len(problem.indices), len(problem.values)) < entries:
        raise ValueError(f"indices and values must have {entries} entries")
    if problem.values.dtype != X.dtype:
        raise ValueError(f"values must be {X.dtype} as the factors are, got {problem.values.dtype}")
    check_length("lam", problem.lam, problem.rows)
