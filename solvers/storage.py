"""Models as files: one `.npz`, no pickle, written in whole or not at all."""

from __future__ import annotations

import json
import zipfile
from contextlib import nullcontext
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import numpy as np

from halfstep.errors import InputError
from halfstep.files import check_writable, plain, whole_file

if TYPE_CHECKING:
    from halfstep.solvers.recommender import Recommender

_FORMAT = "halfstep model 1"
# A stream of random numbers and a start that was handed in belong to a fit, not to its result.
_LEFT_OUT = ("init_factors", "random_state")

Model = TypeVar("Model", bound="Recommender")


def save_model(model: Any, file: str | PathLike[str] | IO[bytes]) -> None:
    """Write a fitted model; a path is replaced in one step, so that a failure leaves the old file."""
    user_factors, item_factors = model._fitted()
    settings = {k: v for k, v in model.get_params().items() if k not in _LEFT_OUT}
    settings["dtype"] = np.dtype(settings["dtype"]).name
    header = json.dumps(plain({"format": _FORMAT, "solver": model.solver_, "settings": settings}))
    arrays = {
        "halfstep": np.array(header),
        "user_factors": user_factors,
        "item_factors": item_factors,
    }
    if not isinstance(file, str | PathLike):
        np.savez(file, allow_pickle=False, **arrays)
        return
    check_writable(Path(file), "file")
    with whole_file(file) as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def load_model(cls: type[Model], file: str | PathLike[str] | IO[bytes]) -> Model:
    """Read what `save_model` wrote as a model of class `cls`, or of the class that saved it."""
    from halfstep.solvers import SOLVERS
    from halfstep.solvers.base import Solver

    label = str(file) if isinstance(file, str | PathLike) else getattr(file, "name", "file")
    try:
        # Opened here: NumPy leaves the file open when it is not an archive.
        given = Path(file) if isinstance(file, str | PathLike) else file
        opened = given.open("rb") if isinstance(given, Path) else nullcontext(given)
        with opened as stream, np.load(stream, allow_pickle=False) as archive:
            header = json.loads(str(archive["halfstep"]))
            X, Y = archive["user_factors"], archive["item_factors"]
        if header["format"] != _FORMAT:
            raise InputError(f"{label} must be a '{_FORMAT}' file, got {header['format']!r}")
        saved_by, settings = SOLVERS[header["solver"]], header["settings"]
    except FileNotFoundError:
        raise InputError(f"file must exist, got {label}") from None
    except IsADirectoryError:
        raise InputError(f"file must be a file, got the folder {label}") from None
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{label} is not a halfstep model, or is damaged") from None
    chosen: Any = saved_by if cls is Solver or not issubclass(cls, Solver) else cls
    known = {f.name for f in fields(chosen) if f.init}
    settings["dtype"] = np.dtype(settings["dtype"]).type
    model = chosen(**{k: v for k, v in settings.items() if k in known})
    shape_agrees = X.ndim == Y.ndim == 2 and X.shape[1] == Y.shape[1] == model.factors
    if not shape_agrees or X.dtype != model.dtype or Y.dtype != model.dtype:
        raise InputError(f"{label} is damaged: factors of shapes {X.shape} and {Y.shape}")
    model.user_factors, model.item_factors = X, Y
    return model  # type: ignore[no-any-return]
