"""The arguments of a fit over workers: what they must be, and what of a solver's own cannot be had."""

from __future__ import annotations

from typing import Any

import numpy as np

from halfstep.errors import InputError
from halfstep.solvers.fit.run import ON_INTERRUPT
from halfstep.solvers.inputs import check_integers, check_number
from halfstep.solvers.registry import SOLVERS

_REFUSED = {
    "init_factors": "give init=, a model whose factors are taken by the ids of its rows",
    "warm_start": "init= starts from another fit's model, and resume=True goes on in the fit's folder",
}


def solver_of(name: str, iterations: int, settings: dict[str, Any]) -> Any:
    """Return the rung with its settings, checked.

    Raises
    ------
    InputError
        An unknown rung or argument, or one that cannot be shared by several machines.
    """
    rungs = [known for known, rung in SOLVERS.items() if rung.kind == "rung"]
    if name not in rungs:
        raise InputError(f"solver must be one of {', '.join(rungs)}, got {name!r}")
    rung: Any = SOLVERS[name]
    if rung.not_shared is not None:
        raise InputError(
            f"solver must be one whose rows can be shared, got {name!r}: {rung.not_shared}"
        )
    for argument, reason in _REFUSED.items():
        if settings.get(argument) is not None and settings[argument] is not False:
            raise InputError(f"{argument} has no meaning in a fit over workers: {reason}")
    try:
        return rung(iterations=iterations, **settings)
    except TypeError as error:
        raise InputError(
            f"{name}: {str(error).replace(f'{rung.__name__}.__init__() got', 'got')}"
        ) from None


def check_run(
    every: Any,
    early_stopping: Any,
    on_interrupt: str,
    random_state: Any,
    callback: Any,
    storage_options: Any,
    counts: dict[str, Any],
    seconds: dict[str, float],
) -> None:
    """Raise InputError for an argument of `fit` that breaks its rule.

    `counts` may be None; these and `seconds` go by their names.
    """
    check_integers({"checkpoint_every": every}, checkpoint_every=0)
    for name, count in counts.items():
        if count is not None:
            check_integers({name: count}, **{name: 1})
    for name, value in seconds.items():
        check_number(name, value)
    if callback is not None and not callable(callback):
        raise InputError(f"callback must be a function or None, got {callback!r}")
    if storage_options is not None and not isinstance(storage_options, dict):
        raise InputError(f"storage_options must be a dict or None, got {storage_options!r}")
    if early_stopping is not None:
        check_number("early_stopping", early_stopping)
        if not 0 < early_stopping < 1:
            raise InputError(f"early_stopping must be between 0 and 1, got {early_stopping}")
    if on_interrupt not in ON_INTERRUPT:
        raise InputError(f"on_interrupt must be 'raise' or 'keep', got {on_interrupt!r}")
    if random_state is not None:
        if not isinstance(random_state, int | np.integer) or isinstance(random_state, bool):
            kind = type(random_state).__name__
            raise InputError(
                f"random_state must be None or an int, which workers share, got {kind}"
            )
        check_integers({"random_state": random_state}, random_state=0)


def seed_of(random_state: int | None) -> int:
    """Return the seed of the starting factors."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint32)[0])
    return int(random_state)
