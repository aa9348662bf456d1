"""The classes of `AlternatingLeastSquares` objects: versions of a caller's class, one for each solver.

A version derives from the caller's class first and from the solver's class second. It has the name of
the caller's class, and pickles as these two classes.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from halfstep.solvers.model.held import SIDES
from halfstep.solvers.model.origin import note_origin, note_set_by_hand, set_by_hand
from halfstep.solvers.registry import check_known

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


def values_of(model: Any, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a version's object, as `AlternatingLeastSquares.get_params` does.

    `known` are the arguments of `AlternatingLeastSquares` itself, with their defaults.
    """
    settings, defaults = model._settings(), model._rung().parameters()
    values: dict[str, Any] = {}
    for name, default in model.parameters().items():
        if name in model._choosing:
            values[name] = model._choosing[name]
        elif name in settings:
            value = settings[name]
            left = model._implied.get(name, defaults[name])
            if default is None and (value is left or np.array_equal(value, left)):
                value = None
            values[name] = value
        elif name in known:
            values[name] = default
        elif name in vars(model):
            values[name] = vars(model)[name]
    return values


def set_values(model: Any, params: Mapping[str, Any]) -> None:
    """Set arguments of a version's object, as `AlternatingLeastSquares.set_params` does."""
    known = model.get_params()
    check_known(type(model).__name__, params, known)
    fresh = model._caller()(**{**known, **params})
    kept, by_hand = {}, bool(set_by_hand(model))
    if type(fresh) is not type(model):
        kept = {name: getattr(model, name) for name in SIDES}
        for name in model._settings():
            vars(model).pop(name, None)
        model.__class__ = type(fresh)
    for name in {*fresh._settings(), *params} & {*vars(fresh)}:
        setattr(model, name, getattr(fresh, name))
    model._choosing, model._implied = fresh._choosing, fresh._implied
    for name, value in kept.items():
        setattr(model, name, value)
    if kept:
        (note_set_by_hand if by_hand else note_origin)(model)
