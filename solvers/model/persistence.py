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
from halfstep.solvers.features.stored import members, take_members
from halfstep.solvers.fit.transform import Transform
from halfstep.solvers.inputs import check_dtype, row_not_finite
from halfstep.solvers.model.conversion import like_implicit, to_device
from halfstep.solvers.model.factors import present, settings_of
from halfstep.solvers.model.held import SIDES, checked
from halfstep.solvers.model.origin import note_origin
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

    Parameters
    ----------
    fileobj_or_path
        A path, or a file that is open for writing bytes.

    Raises
    ------
    InputError
        The file cannot be written, or `load` would not take it: the factors are not matrices of float32
        or float64 of one width, or not finite; or an argument that was set by hand breaks its rule.

    See Also
    --------
    halfstep.load : Reads the file.
    halfstep.Recommender : Its file has ids, names and histories too.

    Notes
    -----
    A path without the ending `.npz` gets it, as `numpy.savez` does. The file is replaced in one step, so
    that a failure leaves the old one. A model without factors, or with those of one side, is saved as
    it is. `init_factors` is not written, nor is a `random_state` that is not an int. The arguments
    `factors` and `dtype` are written as the factor matrices have them: these may have been assigned, or
    the arguments changed.

    Examples
    --------
    >>> import halfstep
    >>> import numpy as np
    >>> model = halfstep.AlternatingLeastSquares(factors=2, solver="cpu")
    >>> model.item_factors = np.ones((3, 2), np.float32)
    >>> model.save("model.npz")
    >>> halfstep.load("model.npz").item_factors.shape
    (3, 2)
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
        The factors are not matrices of float32 or float64 of one width, or not finite; or an argument
        that was set by hand breaks its rule.
    """
    check_dtype(model.dtype)
    factors = checked(present(model))
    settings = {**model._settings(), **settings_of(factors)}
    # A random generator and starting factors matter to a fit only, not to its result.
    del settings["init_factors"]
    if not isinstance(settings["random_state"], Integral):
        del settings["random_state"]
    settings["dtype"] = np.dtype(settings["dtype"]).name
    header = json.dumps(
        plain(
            {
                "format": _FORMAT,
                "class": type(model).__name__,
                "solver": model.solver_,
                "settings": settings,
                # So that a file of one side is not taken for one that has lost the other.
                "sides": list(factors),
            }
        )
    )
    try:
        model._rung()(**settings)
        _from_halfstep(model._rung(), "the file", {"halfstep": header, **factors})
    except InputError as error:
        raise InputError(f"this model cannot be saved: {error}") from error
    sides = {name: side.astype(settings["dtype"], copy=False) for name, side in factors.items()}
    transform = model._transform.members() if model._transform is not None else {}
    attributes = members(model, settings["dtype"])
    return {"halfstep": np.array(header), **sides, **transform, **attributes}


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
            model = _from_implicit(cls, label, archive)
        else:
            raise InputError(f"{label} is not a halfstep model, nor one of implicit's ALS")
        sides = {name: archive[name] for name in SIDES if name in names}
        if sides:
            _set_factors(model, label, sides)
            take_members(model, label, archive)
        if (transform := Transform.of_members(archive)) is not None:
            model._transform = transform
        elif sides and model.transform is None:
            model._plain = True
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
    # Files that name no sides have both or none.
    sides = [name for name in SIDES if name in archive]
    stated = header.get("sides", SIDES if sides else [])
    if set(stated) != set(sides):
        raise InputError(
            f"{label} is damaged: it must have {' and '.join(stated) or 'no factors'}, "
            f"and has {' and '.join(sides) or 'none'}"
        )
    settings = dict(header["settings"])
    settings["dtype"] = np.dtype(settings["dtype"]).type
    if _is_rung(cls):
        return cls(**suiting(cls, settings))
    if header["solver"] not in SOLVERS:
        raise InputError(
            f"{label} was saved by the solver {header['solver']!r}, which is not known here: "
            "load it by that solver's class"
        )
    saved_by = SOLVERS[header["solver"]]
    model = saved_by(**suiting(saved_by, settings))
    reason = saved_by.unavailable()
    if reason:
        model = to_device(model, "cpu") if saved_by.device != "cpu" else model
        log.warning("%s was saved by %r, which cannot run here (%s): read as %r",
                    label, saved_by.name, reason, model.solver_)  # fmt: skip
    return model


def suiting(solver: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that are arguments of `solver`, without None where its default is not None."""
    known = solver.parameters()
    return {
        name: value
        for name, value in settings.items()
        if name in known and not (value is None and known[name] is not None)
    }


def _from_implicit(cls: Any, label: str, archive: Any) -> Any:
    """Return an unfitted model with the settings of an archive that `implicit` wrote."""
    values = {k: archive[k].item() for k in _IMPLICIT_SETTINGS if k in archive}
    # implicit writes what was assigned, whatever its settings say.
    for name in SIDES:
        if name in archive and archive[name].dtype == np.float16:
            archive[name] = archive[name].astype(np.float32)
    try:
        factors = checked({name: archive.get(name) for name in SIDES})
    except InputError as error:
        raise InputError(f"{label} is damaged: {error}") from error
    settings = settings_of(factors)
    archive.update({name: side.astype(settings["dtype"]) for name, side in factors.items()})
    values |= settings
    return like_implicit(values, cls if _is_rung(cls) else "auto")


def _is_rung(cls: Any) -> bool:
    """Return whether `cls` is a solver that can be made, not an abstract class such as `Solver`."""
    return hasattr(cls, "name")


def _set_factors(model: Any, label: str, sides: dict[str, Any]) -> None:
    """Set a file's factors by name in `model`; raise InputError if their shape or values are wrong."""
    shapes = " and ".join(str(side.shape) for side in sides.values())
    kinds = {side.dtype for side in sides.values()}
    as_stated = kinds == {np.dtype(np.float16)} or kinds == {np.dtype(model.dtype)}
    if not as_stated or not all(
        s.ndim == 2 and s.shape[1] == model.factors for s in sides.values()
    ):
        raise InputError(f"{label} is damaged: factors of shapes {shapes}")
    for name, side in sides.items():
        if row_not_finite(side) is not None:
            raise InputError(f"{label} is damaged: factors that are not finite")
        setattr(model, name, np.ascontiguousarray(side, model.dtype))
    note_origin(model)
