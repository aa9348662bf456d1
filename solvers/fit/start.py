"""The starting factors: drawn on the host, so that a seed gives the same start on every device."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from halfstep.errors import InputError
from halfstep.solvers.inputs import on_host
from halfstep.types import Floats

SCALE = 0.01
RandomState: TypeAlias = int | np.integer | np.random.Generator | np.random.RandomState | None


def generator(random_state: RandomState) -> np.random.Generator:
    """Return `random_state` if it is a Generator, else one seeded by it; None means a random seed."""
    check_random_state(random_state)
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31))
    return np.random.default_rng(random_state)


def check_random_state(random_state: RandomState) -> None:
    """Raise InputError if `generator` cannot use `random_state`; this draws no numbers."""
    if isinstance(random_state, int | np.integer) and random_state < 0:
        raise InputError(f"random_state must be at least 0, got {random_state}")
    if not isinstance(
        random_state, int | np.integer | np.random.Generator | np.random.RandomState | None
    ):
        raise InputError(
            "random_state must be None, an int, a Generator or a RandomState, "
            f"got {type(random_state).__name__}"
        )


def random_rows(random_state: RandomState, rows: int, factors: int, dtype: npt.DTypeLike) -> Floats:
    """Return (rows, factors) numbers drawn uniformly from [0, 0.01)."""
    kind: Any = np.dtype(dtype)
    drawn: Floats = generator(random_state).random((rows, factors), kind) * kind.type(SCALE)
    return drawn


def starting_factors(
    init_factors: tuple[Floats, Floats] | None,
    shape: tuple[int, int],
    factors: int,
    dtype: npt.DTypeLike,
    random_state: RandomState,
) -> tuple[Floats, Floats]:
    """Return starting factors of shapes (users, f) and (items, f).

    They are copies of `init_factors`, or drawn uniformly from [0, 0.01), users first: the same numbers
    that `implicit`'s CPU model draws from the same seed.
    """
    names = ("user_factors", "item_factors")
    if init_factors is None:
        rng = generator(random_state)
        X, Y = (random_rows(rng, rows, factors, dtype) for rows in shape)
        return X, Y
    if len(init_factors) != 2:
        raise InputError(
            f"init_factors must be (user_factors, item_factors), got {len(init_factors)} arrays"
        )
    init_factors = (
        on_host(init_factors[0], "init_factors: user_factors"),
        on_host(init_factors[1], "init_factors: item_factors"),
    )
    for name, array, rows in zip(names, init_factors, shape, strict=True):
        if np.shape(array) != (rows, factors):
            raise InputError(
                f"init_factors: {name} must have shape ({rows}, {factors}), got {np.shape(array)}"
            )
        if np.asarray(array).dtype != np.dtype(dtype):
            raise InputError(
                f"init_factors: {name} must have dtype {np.dtype(dtype).name}, "
                f"got {np.asarray(array).dtype.name}"
            )
        if not np.isfinite(array).all():
            raise InputError(f"init_factors: {name} must be finite")
    X, Y = (np.array(array, order="C") for array in init_factors)
    return X, Y
