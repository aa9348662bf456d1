"""Get, set and print a model's constructor arguments by name, as scikit-learn expects."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from halfstep.solvers.registry import check_known

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel

Model = TypeVar("Model", bound="FittedModel")


def parameters(cls: type[FittedModel]) -> dict[str, Any]:
    """Return the names of the constructor's arguments with their defaults.

    See Also
    --------
    halfstep.Solver.get_params : The values of a model.
    """
    return {f.name: f.default for f in fields(cls) if f.init}  # type: ignore[arg-type]


def settings_of(model: FittedModel) -> dict[str, Any]:
    """Return the arguments of the solver's own constructor by name, to make another such solver."""
    return {f.name: getattr(model, f.name) for f in fields(model) if f.init}  # type: ignore[arg-type]


def get_params(model: FittedModel, deep: bool = True) -> dict[str, Any]:
    """Return the constructor's arguments by name; `deep` is there for scikit-learn and has no effect.

    See Also
    --------
    halfstep.Solver.set_params : Sets them.
    """
    return settings_of(model)


def set_params(model: Model, **params: Any) -> Model:
    """Set constructor arguments by name and return the model. The next fit uses them.

    Raises
    ------
    InputError
        An unknown name or a bad value. Then none of them is set.

    See Also
    --------
    halfstep.Solver.get_params : Returns them.
    """
    known = get_params(model)
    check_known(type(model).__name__, params, known)
    type(model)(**{**known, **params})  # raises before anything is set
    for name, value in params.items():
        setattr(model, name, value)
    return model


def shown(model: FittedModel) -> str:
    """Return the text of `repr`: the class and the arguments that differ from their defaults."""
    defaults = model.parameters()
    parts = []
    for name, value in model.get_params().items():
        default = defaults[name]
        if name == "init_factors" and value is not None:
            shapes = ", ".join(str(np.shape(side)) for side in value)
            parts.append(f"init_factors=<{shapes}>")
        elif name == "dtype" and np.dtype(value) != np.dtype(default):
            parts.append(f"dtype={np.dtype(value).name}")
        elif name != "dtype" and value is not default and value != default:
            parts.append(f"{name}={value!r}")
    return f"{type(model).__name__}({', '.join(parts)})"


def scikit_learn_tags(model: FittedModel) -> Any:
    """Return what scikit-learn (1.6 or newer) asks of an estimator: it takes a sparse X, and no y."""
    from sklearn.utils import InputTags, Tags, TargetTags

    return Tags(
        estimator_type=None,
        target_tags=TargetTags(required=False),
        input_tags=InputTags(sparse=True),
    )
