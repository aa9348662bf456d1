"""How a contestant is named: a solver, with settings of its own behind colons.

`eigenbasis:exact`, `irspack_cpu:method=ialspp`, `implicit_cpu:use_cg=false:num_threads=1`. A value is
read as JSON where it can be, else as text; a setting without one is true.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

from halfstep.errors import InputError
from halfstep.solvers import SOLVERS, Solver
from halfstep.solvers.peers.cmfrec_cpu import CmfrecCpu

# Peers that fit only as a whole, from a start of their own.
WHOLE: dict[str, type[Solver]] = {CmfrecCpu.name: CmfrecCpu}
# The peers' other methods: their best differs from size to size.
VARIANTS = (
    "irspack_cpu:method=ialspp",
    "irspack_cpu:method=cholesky",
    "cmfrec_cpu",
    "cmfrec_cpu:use_cg=false",
)
# Rungs that are there to be read; on large data they take hours.
SLOW = ("naive", "cholesky", "conjugate_gradient")
# What all are measured by, and the same half-steps over-relaxed, as those with few steps are.
EXACT, RELAXED = "eigenbasis:exact", "eigenbasis:exact:relaxation=1.4"
# Against these every table states speed-ups, and the first one's objective is a second target.
PEERS = ("implicit_cpu", "implicit_cpu:use_cg=false")
# What solves its half-steps exactly, without over-relaxation.
_EXACT_RUNGS = ("cholesky", "naive")


def entrant(name: str) -> tuple[type[Solver], dict[str, Any]]:
    """Return the solver and the settings that a contestant's name stands for.

    Raises
    ------
    InputError
        No such solver, or it has no such setting.
    """
    solver_name, *settings = name.split(":")
    known = {**SOLVERS, **WHOLE}
    if solver_name not in known:
        raise InputError(f"solvers must be among {', '.join(known)}, got {solver_name!r}")
    solver = known[solver_name]
    parameters = inspect.signature(solver).parameters
    own = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if key not in parameters:
            raise InputError(f"{solver_name} has no argument {key!r}, got {name!r}")
        own[key] = _value(value) if equals else True
    return solver, own


def default_entrants(suite: str, *, to_read: bool = True) -> tuple[str, ...]:
    """Return who takes part where nobody is named; with `to_read` slow rungs of `quick`, too."""
    quick = suite == "quick"
    names = (name for name in SOLVERS if name not in SLOW or (quick and to_read))
    others = VARIANTS if not quick else ()
    return (*names, EXACT, RELAXED, PEERS[1], *others)


def is_exact(name: str) -> bool:
    """Whether a contestant is exact ALS, so that its objective is a target that stands for itself."""
    solver, *settings = name.split(":")
    if solver == "eigenbasis":
        return "exact" in settings and not any(s.startswith("relaxation") for s in settings)
    return solver in _EXACT_RUNGS


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
