"""A contestant's name: the name of a solver, then settings of its own behind colons.

Examples are `eigenbasis:exact`, `irspack_cpu:method=ialspp` and
`implicit_cpu:use_cg=false:num_threads=1`. A value is read as JSON where possible, otherwise as text; a
setting without a value is true.
"""

from __future__ import annotations

import inspect
import json
from typing import Any

from halfstep.errors import InputError
from halfstep.solvers import SOLVERS, Solver
from halfstep.solvers.peers.cmfrec_cpu import CmfrecCpu
from halfstep.solvers.peers.lenskit import LensKit
from halfstep.solvers.peers.spark import Spark

# Peers without a half-step: they run a whole fit, from a start of their own.
WHOLE: dict[str, type[Solver]] = {CmfrecCpu.name: CmfrecCpu, Spark.name: Spark}
# Peers with half-steps that are contestants alone.
BESIDE: dict[str, type[Solver]] = {LensKit.name: LensKit}
# Why a process that fits with them does not have their memory.
MEMORY_ELSEWHERE = {Spark.name: "Java has a process of its own"}
# The peers' other methods: which one is fastest differs from size to size.
VARIANTS = (
    "irspack_cpu:method=ialspp",
    "irspack_cpu:method=cholesky",
    "cmfrec_cpu",
    "cmfrec_cpu:use_cg=false",
)
# Rungs that are written to be read; on large data they take hours.
SLOW = ("naive", "cholesky", "conjugate_gradient")
# Exact ALS, which sets the target, and the same half-steps with the over-relaxation that CG rungs use.
EXACT, RELAXED = "eigenbasis:exact", "eigenbasis:exact:relaxation=1.4"
# Every table states speed-ups over these peers; the first one's objective is a second target.
PEERS = ("implicit_cpu", "implicit_cpu:use_cg=false")
# The peer whose objective is the second target in its place, with speed-ups to that.
SECOND_PEER = Spark.name
# Rungs that solve every half-step exactly, without over-relaxation.
_EXACT_RUNGS = ("cholesky", "naive")


def solver_and_settings(name: str) -> tuple[type[Solver], dict[str, Any]]:
    """Return the solver and the settings that a contestant's name stands for.

    Raises
    ------
    InputError
        There is no such solver, or the solver has no such setting.
    """
    solver_name, *settings = name.split(":")
    known = {**SOLVERS, **WHOLE, **BESIDE}
    if solver_name not in known:
        raise InputError(f"solvers must be among {', '.join(known)}, got {solver_name!r}")
    solver = known[solver_name]
    parameters = inspect.signature(solver).parameters
    arguments = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if key not in parameters:
            raise InputError(f"{solver_name} has no argument {key!r}, got {name!r}")
        arguments[key] = _value(value) if equals else True
    return solver, arguments


def default_contestants(suite: str, *, to_read: bool = True) -> tuple[str, ...]:
    """Return a suite's contestants where the settings name none.

    Parameters
    ----------
    to_read
        Whether the suite `quick` includes the slow rungs.
    """
    quick = suite == "quick"
    names = (name for name in SOLVERS if name not in SLOW or (quick and to_read))
    others = VARIANTS if not quick else ()
    return (*names, EXACT, RELAXED, PEERS[1], *others)


def is_exact(name: str) -> bool:
    """Whether a contestant is exact ALS without over-relaxation."""
    solver, *settings = name.split(":")
    if solver == "eigenbasis":
        return "exact" in settings and not any(s.startswith("relaxation") for s in settings)
    return solver in _EXACT_RUNGS


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
