"""The list of solvers, and the choice among them by name, by device or by `implicit`'s arguments.

`halfstep.solvers` fills `SOLVERS` in the order of the ladder, and only that module imports the rungs.
All other code takes a rung from here, by its name.

If a named solver cannot run here, the error says what to install. `"auto"` takes the fastest rung that
can run here, and the log says which and why. Without a GPU, `"gpu"` is an error, unless `fallback="cpu"`
allows the best CPU rung, with a warning.

The constructor arguments of `implicit` that say how to solve choose a solver:

| argument           | solver                                                              |
| ------------------ | ------------------------------------------------------------------- |
| nothing            | the best rung on the best device, as `solver="auto"`                 |
| `use_gpu=True`     | the best rung on a GPU, an error without one, as `solver="gpu"`      |
| `use_gpu=False`    | the best rung on the CPU, as `solver="cpu"`                          |
| `use_cg=True`      | the best rung with conjugate gradients                               |
| `use_cg=False`     | the best rung that is exact, or can be: it gets `exact=True`         |
| `use_native=False` | the best rung in NumPy: `conjugate_gradient`; exact, it is `cholesky` |
| `use_native=True`  | the best compiled rung                                               |

Only arguments that the caller passes count; a call without any behaves like one with the defaults of
`implicit` (`use_native=True, use_cg=True`). They must agree with each other and with `solver=`:
`use_gpu=True` with `solver="cholesky"` is an error, and so is a combination that no rung satisfies. (In
`implicit`, a GPU model ignores `use_cg=False` and `use_native=False`.)
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from halfstep.errors import InputError, SolverUnavailable

log = logging.getLogger("halfstep")

# A subclass of `halfstep.solvers.base.Solver`, which imports this module.
Rung: TypeAlias = type[Any]

SOLVERS: dict[str, Rung] = {}
USES = ("use_native", "use_cg", "use_gpu")


def make(solver: str, *, fallback: str | None = None, **settings: Any) -> Any:
    """Return an unfitted model of the rung that `AlternatingLeastSquares` takes for these arguments.

    Parameters
    ----------
    solver, fallback
        As in `choose`.
    settings
        Arguments of the solver's constructor, and `use_native`, `use_cg` and `use_gpu`.

    Returns
    -------
    Solver
        Of the solver's own class.

    Raises
    ------
    InputError, SolverUnavailable
        As `choose` does; InputError also for an argument that the solver does not have.

    See Also
    --------
    halfstep.AlternatingLeastSquares : Makes a model that can change its solver.
    halfstep.solvers.choose : The class alone.

    Examples
    --------
    >>> from halfstep.solvers import make
    >>> make("cpu", factors=8, use_cg=False)
    Eigenbasis(factors=8, exact=True)
    """
    uses = {name: settings.pop(name) for name in USES if name in settings}
    chosen = choose(solver, fallback, uses)
    settings = settings_for(chosen, uses, settings)
    check_known(f"solver {chosen.name!r}", settings, chosen.parameters())
    return chosen(**settings)


def choose(
    solver: str = "auto", fallback: str | None = None, uses: Mapping[str, Any] | None = None
) -> Rung:
    """Return the class that `AlternatingLeastSquares` uses for these arguments.

    Parameters
    ----------
    solver
        `"auto"` for the best rung on any device, `"cpu"` or `"gpu"` for the best on that device, or a
        name in `halfstep.SOLVERS`.
    fallback
        With `solver="gpu"` or `use_gpu=True`, `"cpu"` allows the best CPU rung if no GPU can be used.
    uses
        `use_native`, `use_cg` and `use_gpu` by name, each True, False or None.

    Raises
    ------
    InputError
        An unknown solver, arguments that contradict each other, or a combination that no rung satisfies.
    SolverUnavailable
        The named solver cannot run here, or no GPU can be used.

    See Also
    --------
    halfstep.solvers.make : A model of this class.
    halfstep.SOLVERS : All solvers by name.

    Examples
    --------
    >>> from halfstep.solvers import choose
    >>> choose("cpu").name
    'eigenbasis'
    >>> choose("cpu", uses={"use_native": False, "use_cg": False}).name
    'cholesky'
    """
    uses = {k: v for k, v in (uses or {}).items() if v is not None}
    check_uses(uses)
    use_gpu = uses.get("use_gpu")
    if solver == "auto" and use_gpu is not None:
        solver = "gpu" if use_gpu else "cpu"
    if fallback not in (None, "cpu") or (fallback and solver != "gpu"):
        raise InputError(
            f"fallback must be None, or 'cpu' with solver 'gpu', got {fallback!r} with {solver!r}"
        )
    if isinstance(solver, str) and solver in SOLVERS:
        contradiction = suits(SOLVERS[solver], uses)
        if contradiction:
            raise InputError(f"solver={solver!r} contradicts {contradiction}")
        reason = SOLVERS[solver].unavailable()
        if reason:
            raise SolverUnavailable(f"solver {solver!r} cannot run here: {reason}")
        return SOLVERS[solver]
    if solver not in ("auto", "cpu", "gpu"):
        raise InputError(
            f"solver must be one of auto, cpu, gpu, {', '.join(SOLVERS)}, got {solver!r}"
        )
    if use_gpu is not None and solver != ("gpu" if use_gpu else "cpu"):
        raise InputError(f"solver={solver!r} contradicts use_gpu={use_gpu}")
    devices = {"auto": ("gpu", "cpu"), "cpu": ("cpu",), "gpu": ("gpu",)}[solver]
    refused = []
    for device in devices:
        rung, reasons = _best(device, uses)
        refused += reasons
        if rung is not None:
            because = f" ({'; '.join(refused)})" if refused else ""
            log.info("solver %r: %r is the fastest that runs here%s", solver, rung.name, because)
            return rung
    reason = "; ".join(refused)
    rungs = [s for s in SOLVERS.values() if s.kind == "rung" and s.device in devices]
    if rungs and all(suits(rung, uses) for rung in rungs):
        raise InputError(f"solver={solver!r} has no rung that suits all of {dict(uses)}: {reason}")
    if fallback == "cpu":
        rung, _ = _best("cpu", {k: v for k, v in uses.items() if k != "use_gpu"})
        if rung is not None:
            warnings.warn(
                f"no GPU solver can run here ({reason}): falling back to {rung.name!r}",
                RuntimeWarning,
                stacklevel=4,
            )
            return rung
    raise SolverUnavailable(f"solver {solver!r} cannot run here: {reason}")


def _best(device: str, uses: Mapping[str, Any]) -> tuple[Rung | None, list[str]]:
    """Return the fastest rung that runs on `device`, or None, and why the faster rungs do not."""
    rungs = [s for s in SOLVERS.values() if s.kind == "rung" and s.device == device]
    reasons = [] if rungs else [f"this version has no {device} rung"]
    # All rungs on a device ask for the same things, which takes half a millisecond.
    asked: dict[Any, str | None] = {}
    for rung in reversed(rungs):
        reason = suits(rung, uses) or rung.not_by_default
        if reason is None:
            of: Any = getattr(rung.unavailable, "__func__", rung)
            if of not in asked:
                asked[of] = rung.unavailable()
            reason = asked[of]
        if reason is None:
            return rung, reasons
        reasons.append(f"{rung.name}: {reason}")
    return None, reasons


def check_known(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise InputError for a name that is not among the `known` arguments of `what`."""
    for name in given:
        if name not in known:
            raise InputError(f"{what} has no argument {name!r}; it has {', '.join(known)}")


def shared_parameters() -> set[str]:
    """Return the names of the arguments that every solver has."""
    return set.intersection(*(set(solver.parameters()) for solver in SOLVERS.values()))


def check_uses(uses: Mapping[str, Any]) -> None:
    """Raise InputError unless each of `implicit`'s arguments is True, False or None."""
    for name, value in uses.items():
        if value is not None and not isinstance(value, bool | np.bool_):
            raise InputError(f"{name} must be True, False or None, got {value!r}")


def suits(solver: Rung, uses: Mapping[str, Any]) -> str | None:
    """Return which of `implicit`'s arguments contradicts `solver`, and why, or None."""
    known = solver.parameters()
    use_gpu, use_cg, use_native = (uses.get(k) for k in ("use_gpu", "use_cg", "use_native"))
    if use_gpu is not None and bool(use_gpu) != (solver.device == "gpu"):
        return f"use_gpu={use_gpu}: {solver.name!r} runs on the {solver.device.upper()}"
    if use_native is not None and bool(use_native) != solver.native:
        return (
            f"use_native={use_native}: {solver.name!r} is {'' if solver.native else 'not '}compiled"
        )
    if use_cg is not None and "use_cg" not in known:
        if use_cg and "cg_steps" not in known:
            return f"use_cg=True: {solver.name!r} has no conjugate gradients"
        if not use_cg and not (solver.exact_only or "exact" in known):
            return f"use_cg=False: {solver.name!r} does not solve rows exactly"
    return None


def settings_for(solver: Rung, uses: Mapping[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Return `settings` with what `uses`, which must suit `solver`, mean for it."""
    use_cg = uses.get("use_cg")
    known = solver.parameters()
    if use_cg is None:
        return settings
    if "use_cg" in known:
        return {**settings, "use_cg": bool(use_cg)}
    if "exact" in known:
        if settings.get("exact", not use_cg) != (not use_cg):
            raise InputError(
                f"use_cg={use_cg} contradicts exact={settings['exact']}: give one of the two"
            )
        return {**settings, "exact": not use_cg}
    return settings
