"""The classes of `AlternatingLeastSquares` objects: versions of a caller's class, one for each solver.

A version derives from the caller's class first and from the solver's class second. It has the name of
the caller's class, and pickles as these two classes.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any, TypeAlias

Class: TypeAlias = Any  # a class


@cache
def version_of(caller: Class, rung: Class) -> Any:
    """Return the class of `caller`'s objects that have the solver `rung`."""
    names = ("__module__", "__qualname__", "__doc__")
    attributes = {name: getattr(caller, name) for name in names}
    return type(caller)(
        caller.__name__, (caller, rung), attributes | {"_callers": caller, "_chosen": rung}
    )


def empty(caller: Class, rung: Class) -> Any:
    """Return an object of a version without attributes, for `pickle` and `copy` to fill."""
    version = version_of(caller, rung)
    return version.__new__(version)


def own_arguments(cls: Class) -> tuple[dict[str, Any], bool]:
    """Return the arguments of a class's own constructor with defaults, and if it hands on others."""
    found = list(inspect.signature(vars(cls)["__init__"]).parameters.values())[1:]
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    plain = {p.name: p.default for p in found if p.kind not in variable}
    return plain, any(p.kind is inspect.Parameter.VAR_KEYWORD for p in found)


@cache
def arguments_of(cls: Class, base: Class) -> dict[str, Any]:
    """Return the arguments that the constructor of `cls` takes: its own, and those that it hands on.

    They are followed through the parents up to `base`.
    """
    arguments: dict[str, Any] = {}
    for parent in cls.__mro__:
        if "__init__" in vars(parent):
            own, hands_on = own_arguments(parent)
            arguments = {**own, **arguments}
            if parent is base or not hands_on:
                break
    return arguments
