"""Save a model with the name of its data, so that later commands find the data again."""

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

_MEMBER = "fitted_to"  # member of the .npz; its name is part of the file format


def save(model: Solver, path: Path, source: str) -> None:
    """Save `model` and the name of its data; the file appears whole or not at all.

    `AlternatingLeastSquares.load` reads the file too, and ignores the name.

    Raises
    ------
    InputError
        The file cannot be written.
    """
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
    """Read a model, and the data that `data` names or, if it is None, that the model was fitted to.

    Raises
    ------
    InputError
        The model or the data cannot be read, the file does not name the data, or their shapes differ.
    """
    from halfstep import datasets
    from halfstep.evaluation.trace import factors_of
    from halfstep.solvers import AlternatingLeastSquares

    if not path.exists():
        raise InputError(f"there is no model '{path}': `halfstep fit` writes one")
    model = AlternatingLeastSquares.load(path)
    source = _source(path) if data is None else data
    if source is None:
        raise InputError(f"{path} does not name the data that it was fitted to: give --data")
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
