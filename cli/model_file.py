"""A model's file that remembers which data it was fitted to, so that one need not say it again."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from halfstep.errors import InputError
from halfstep.npz import DamagedArchive, read_arrays

if TYPE_CHECKING:
    from halfstep.datasets.dataset import Dataset
    from halfstep.solvers.base import Solver

_MEMBER = "fitted_to"


def save(model: Solver, path: Path, source: str) -> None:
    """Save the model with the name of its data, in one step; whoever reads models reads it too."""
    if Path(source).exists():
        source = str(Path(source).resolve())
    note = io.BytesIO()
    np.save(note, np.array(json.dumps({"data": source})), allow_pickle=False)
    partial = path.with_name(f".{path.name}.{os.getpid()}.npz")
    try:
        model.save(partial)
        with zipfile.ZipFile(partial, "a") as archive:
            archive.writestr(f"{_MEMBER}.npy", note.getvalue())
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"'{path}' cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path, data: str | None) -> tuple[Solver, Dataset]:
    """Read a model, and the data that it was fitted to or that `data` names.

    Raises
    ------
    InputError
        One of them cannot be read, the data is not known, or they do not fit each other.
    """
    from halfstep import datasets
    from halfstep.evaluation.trace import factors_of
    from halfstep.solvers import AlternatingLeastSquares

    if not path.exists():
        raise InputError(f"there is no model '{path}': `halfstep fit` writes one")
    model = AlternatingLeastSquares.load(path)
    source = _source(path) if data is None else data
    if source is None:
        raise InputError(f"{path} does not say what it was fitted to: give --data")
    loaded = datasets.load(source)
    X, Y = factors_of(model)
    if (len(X), len(Y)) != loaded.interactions.shape:
        raise InputError(
            f"{path} was fitted to {len(X):,} users x {len(Y):,} items, {source} has "
            f"{loaded.users:,} x {loaded.items:,}"
        )
    return model, loaded


def _source(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            note = read_arrays(stream).get(_MEMBER)
        return None if note is None else str(json.loads(str(note))["data"])
    except (OSError, DamagedArchive, ValueError, KeyError, TypeError):
        return None
