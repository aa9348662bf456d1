"""Save and load models: each is one `.npz` file without pickle, written completely or not at all."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import numpy as np

from halfstep.errors import InputError
from halfstep.files import check_writable, npz_path, plain, whole_file
from halfstep.npz import DamagedArchive, read_arrays
from halfstep.solvers.fit.transform import Transform
from halfstep.solvers.inputs import check_dtype
from halfstep.solvers.model.conversion import like_implicit, to_device
from halfstep.solvers.model.factors import factors_of
from halfstep.solvers.registry import SOLVERS

if TYPE_CHECKING:
    from halfstep.solvers.model import FittedModel

log = logging.getLogger("halfstep")

_FORMAT = "halfstep model 1"
# Arrays in every file that implicit's ALS saves, fitted or not, and arrays that only its other models
# save.
_IMPLICIT = {"factors", "regularization", "iterations", "dtype"}
_NOT_ALS = {"learning_rate", "verify_negative_samples", "neg_prop"}
_IMPLICIT_SETTINGS = (
    "factors", "regularization", "alpha", "iterations", "calculate_training_loss", "dtype",
    "use_cg", "use_native", "num_threads", "random_state",
)  # fmt: skip

Model = TypeVar("Model", bound="FittedModel")


def save(model: FittedModel, fileobj_or_path: str | PathLike[str] | IO[bytes]) -> None:
    """Write constructor arguments and factors to one `.npz` file without pickle, for `load` to read.

    A path without the ending `.npz` gets it, as `numpy.savez` does. The file is replaced in one step, so
    that a failure leaves the old one. A model without factors is saved without factors. `init_factors`
    is not written, nor is a `random_state` that is not an int. The arguments `factors` and `dtype` are
    written as the factor matrices have them: these may have been assigned, or the arguments changed.

    Raises
    ------
    InputError
        The file cannot be written, or `load` would not take it: see `members_of`.
    """
    write(members_of(model), fileobj_or_path)


def write(members: dict[str, Any], fileobj_or_path: str | PathLike[str] | IO[bytes]) -> None:
    """Write arrays by name to one `.npz`, whole or not at all where it is a path."""
    if not isinstance(fileobj_or_path, str | PathLike):
        np.savez(fileobj_or_path, allow_pickle=False, **members)
        return
    path = npz_path(fileobj_or_path)
    check_writable(path, "file")
    with whole_file(path) as stream:
        np.savez(stream, allow_pickle=False, **members)


def members_of(model: FittedModel) -> dict[str, Any]:
    """Return the arrays of a model's file by name, which `model_of` takes.

    Raises
    ------
    InputError
        Only one side has factors; they are not matrices of float32 or float64 of one width, or not
        finite; or an argument that was set by hand breaks its rule.
    """
    settings = model.get_params()
    # A random generator and starting factors matter to a fit only, not to its result.
    del settings["init_factors"]
    if not isinstance(settings["random_state"], Integral):
        del settings["random_state"]
    check_dtype(settings["dtype"])
    factors = _factors_to_save(model)
    if factors:
        settings["factors"], settings["dtype"] = factors[0].shape[1], factors[0].dtype
    settings["dtype"] = np.dtype(settings["dtype"]).name
    header = json.dumps(plain({"format": _FORMAT, "solver": model.solver_, "settings": settings}))
    try:
        type(model)(**settings)
        _from_halfstep(type(model), "the file", {"halfstep": header})
    except InputError as error:
        raise InputError(f"this model cannot be saved: {error}") from error
    sides = dict(zip(("user_factors", "item_factors"), factors, strict=False))
    transform = model._transform.members() if model._transform is not None else {}
    return {"halfstep": np.array(header), **sides, **transform}


def _factors_to_save(model: FittedModel) -> tuple[Any, ...]:
    """Return both factor matrices in one native dtype, or nothing before a fit."""
    given = {"user_factors": model.user_factors, "item_factors": model.item_factors}
    missing = [name for name, factors in given.items() if factors is None]
    if len(missing) == 2:
        return ()
    if missing:
        raise InputError(f"{missing[0]} must be set as the other side's factors are, got None")
    sides = dict(zip(given, factors_of(model), strict=True))
    for name, factors in sides.items():
        if not isinstance(factors, np.ndarray) or isinstance(factors, np.ma.MaskedArray):
            raise InputError(f"{name} must be a NumPy array, got {type(factors).__name__}")
        if factors.dtype.newbyteorder("=") not in (np.float32, np.float64):
            raise InputError(
                f"{name} must be float32 or float64, got {factors.dtype}: "
                f"assign {name}.astype(numpy.float32)"
            )
        if factors.ndim != 2:
            raise InputError(
                f"{name} must be a matrix, a row for each id, got shape {factors.shape}"
            )
        finite = np.isfinite(factors).all(axis=1)
        if not finite.all():
            raise InputError(f"{name} must be finite, row {int(np.argmin(finite))} is not")
    X, Y = sides.values()
    if X.shape[1] != Y.shape[1]:
        raise InputError(
            "user_factors and item_factors must have as many columns, "
            f"got {X.shape[1]} and {Y.shape[1]}"
        )
    dtype = np.result_type(X.dtype.newbyteorder("="), Y.dtype.newbyteorder("="))
    return np.asarray(X, dtype), np.asarray(Y, dtype)


def load_model(cls: type[Model], fileobj_or_path: str | PathLike[str] | IO[bytes]) -> Model:
    """Read a model as one of class `cls`, or of the class that saved it; see `FittedModel.load`."""
    label, archive = read(fileobj_or_path)
    return model_of(cls, label, archive)


def read(fileobj_or_path: str | PathLike[str] | IO[bytes]) -> tuple[str, dict[str, Any]]:
    """Return what errors call the file of a model, and its arrays by name.

    Raises
    ------
    InputError
        There is no such file, or it is no whole `.npz` of plain arrays.
    """
    file: Any = fileobj_or_path
    label = str(file) if isinstance(file, str | PathLike) else getattr(file, "name", "file")
    source: Any = file
    if isinstance(file, str | PathLike):
        source = Path(file) if Path(file).exists() else npz_path(file)
    with _refusing(label):
        opening = source.open("rb") if isinstance(source, Path) else nullcontext(source)
        with opening as stream:
            return label, read_arrays(stream)


def model_of(cls: type[Model], label: str, archive: dict[str, Any]) -> Model:
    """Return the model of a file's arrays; `label` is what errors call the file."""
    names = set(archive)
    with _refusing(label):
        if "halfstep" in names:
            model = _from_halfstep(cls, label, archive)
        elif names >= _IMPLICIT and not names & _NOT_ALS:
            model = _from_implicit(cls, archive)
        else:
            raise InputError(f"{label} is not a halfstep model, nor one of implicit's ALS")
        if names & {"user_factors", "item_factors"}:
            _set_factors(model, label, archive["user_factors"], archive["item_factors"])
        if (transform := Transform.of_members(archive)) is not None:
            model._transform = transform
    return model  # type: ignore[no-any-return]


@contextmanager
def _refusing(label: str) -> Iterator[None]:
    """Say in one line what is wrong with the file that is read in the block."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"file must exist, got {label}") from None
    except IsADirectoryError:
        raise InputError(f"file must be a file, got the folder {label}") from None
    except InputError:
        raise
    except DamagedArchive as error:
        raise InputError(f"{label} is not a halfstep model, or is damaged: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OSError, ArithmeticError):
        raise InputError(f"{label} is not a halfstep model, or is damaged") from None


def _from_halfstep(cls: Any, label: str, archive: Any) -> Any:
    """Return the unfitted model of an archive that `save` wrote."""
    header = json.loads(str(archive["halfstep"]))
    if header["format"] != _FORMAT:
        raise InputError(f"{label} must be a '{_FORMAT}' file, got {header['format']!r}")
    settings = dict(header["settings"])
    settings["dtype"] = np.dtype(settings["dtype"]).type
    if _is_rung(cls):
        return cls(**_suiting(cls, settings))
    if header["solver"] not in SOLVERS:
        raise InputError(
            f"{label} was saved by the solver {header['solver']!r}, which is not known here: "
            "load it by that solver's class"
        )
    saved_by = SOLVERS[header["solver"]]
    model = saved_by(**_suiting(saved_by, settings))
    reason = saved_by.unavailable()
    if reason:
        model = to_device(model, "cpu") if saved_by.device != "cpu" else model
        log.warning("%s was saved by %r, which cannot run here (%s): read as %r",
                    label, saved_by.name, reason, model.solver_)  # fmt: skip
    return model


def _suiting(solver: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that are arguments of `solver`, without None where its default is not None."""
    known = solver.parameters()
    return {
        name: value
        for name, value in settings.items()
        if name in known and not (value is None and known[name] is not None)
    }


def _from_implicit(cls: Any, archive: Any) -> Any:
    """Return an unfitted model with the settings of an archive that `implicit` wrote."""
    values = {k: archive[k].item() for k in _IMPLICIT_SETTINGS if k in archive}
    return like_implicit(values, cls if _is_rung(cls) else "auto")


def _is_rung(cls: Any) -> bool:
    """Return whether `cls` is a solver that can be made, not an abstract class such as `Solver`."""
    return hasattr(cls, "name")


def _set_factors(model: Any, label: str, X: Any, Y: Any) -> None:
    """Set the file's factors in `model`; raise InputError if their shape, dtype or values are wrong."""
    is_float16 = X.dtype == Y.dtype == np.float16
    shape_agrees = X.ndim == Y.ndim == 2 and X.shape[1] == Y.shape[1] == model.factors
    if not shape_agrees or not (is_float16 or X.dtype == Y.dtype == model.dtype):
        raise InputError(f"{label} is damaged: factors of shapes {X.shape} and {Y.shape}")
    if not (np.isfinite(X).all() and np.isfinite(Y).all()):
        raise InputError(f"{label} is damaged: factors that are not finite")
    model.user_factors = np.ascontiguousarray(X, model.dtype)
    model.item_factors = np.ascontiguousarray(Y, model.dtype)
