"""The file of a recommender: a model's arrays, and beside them ids, names and histories.

It is one `.npz` of plain arrays without pickle. A model's own `load` reads the model out of it, and this
reader says what to do with a file that has a model alone.
"""

from __future__ import annotations

import json
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from halfstep.datasets.archive import ids_of, matrix_of, members_of_ids
from halfstep.datasets.canonical import canonical_csr
from halfstep.errors import InputError
from halfstep.files import plain
from halfstep.recommender.catalogue import Catalogue
from halfstep.solvers import Solver
from halfstep.solvers.model.factors import needed, present
from halfstep.solvers.model.held import SIDES
from halfstep.solvers.model.persistence import members_of, model_of, read, write

FORMAT = "halfstep catalogue 1"
_KEPT = "catalogue"
_OLD_NOTE = "fitted_to"  # what the command wrote beside a model before models carried ids
_UNREADABLE = (
    *(KeyError, IndexError, TypeError, ValueError, AttributeError, ArithmeticError, OverflowError),
)


class NoIds(InputError):
    """The file has a model and no ids.

    Attributes
    ----------
    fitted_to
        The data that the file names, or None.
    """

    def __init__(self, message: str, fitted_to: str | None = None) -> None:
        super().__init__(message)
        self.fitted_to = fitted_to


class Parts(NamedTuple):
    """What a recommender's file holds; `about` has "name", "fingerprint", "provenance", "versions"."""

    model: Solver
    catalogue: Catalogue
    history: csr_matrix | None
    about: dict[str, Any]


def save(parts: Parts, path: str | PathLike[str]) -> None:
    """Write a recommender in one piece, or leave the old file as it is and raise InputError."""
    catalogue = parts.catalogue
    note = plain({"format": FORMAT, **parts.about})
    members = {
        **members_of(parts.model),
        _KEPT: np.array(json.dumps(note, sort_keys=True)),
        **members_of_ids("user_ids", catalogue.user_ids),
        **members_of_ids("item_ids", catalogue.item_ids),
        "audience": catalogue.audience,
        "usual": catalogue.usual,
    }
    if catalogue.item_names is not None:
        members |= members_of_ids("item_names", catalogue.item_names)
    if parts.history is not None:
        history = parts.history
        members |= {
            "history.shape": np.array(history.shape, np.int64),
            "history.data": history.data,
        }
        members |= {"history.indptr": history.indptr, "history.indices": history.indices}
    # What was changed after the fit must fit together in the file as well.
    check(parts)
    write(members, path)


def load(path: str | PathLike[str]) -> Parts:
    """Read a file that `save` wrote.

    Raises
    ------
    NoIds
        The file has a model only.
    InputError
        There is no such file, it is no model, or it is damaged.
    """
    label, archive = read(path)
    model: Any = model_of(Solver, label, archive)  # type: ignore[type-abstract]
    if _KEPT not in archive:
        raise NoIds(
            f"{label} carries no ids: fit again, or give the data that it was fitted to",
            _named_data(archive),
        )
    try:
        parts = _parts(model, archive)
    except InputError as error:
        raise InputError(f"{label} is damaged: {error}") from error
    except _UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{label} is damaged ({reason})") from error
    return parts


def _parts(model: Any, archive: dict[str, Any]) -> Parts:
    about = json.loads(str(archive[_KEPT]))
    if about.pop("format") != FORMAT:
        raise InputError(f"its ids must be in the form {FORMAT!r}")
    if not isinstance(about["provenance"], dict) or not isinstance(about["versions"], dict):
        raise TypeError("provenance and versions must be objects")
    if not all(isinstance(about.get(key), str) for key in ("name", "fingerprint")):
        raise TypeError("name and fingerprint must be text")
    catalogue = Catalogue(
        ids_of(archive, "user_ids"),
        ids_of(archive, "item_ids"),
        ids_of(archive, "item_names") if _has(archive, "item_names.") else None,
        _numbers(archive["audience"], "iu").astype(np.int64),
        _numbers(archive["usual"], "f").astype(np.float64),
    )
    history = _history(archive) if _has(archive, "history.") else None
    parts = Parts(model, catalogue, history, about)
    check(parts)
    return parts


def _has(archive: dict[str, Any], prefix: str) -> bool:
    """Return whether any array is there: if one is missing, the file is damaged."""
    return any(name.startswith(prefix) for name in archive)


def _history(archive: dict[str, Any]) -> csr_matrix:
    arrays = {part: archive[f"history.{part}"] for part in ("data", "indices", "indptr", "shape")}
    matrix = matrix_of({"format": np.array("csr"), **arrays})
    if matrix.dtype.kind not in "iuf" or not np.isfinite(matrix.data).all():
        raise ValueError("the values of the histories must be finite numbers")
    if matrix.nnz != len(arrays["data"]) or matrix.nnz != len(arrays["indices"]):
        raise ValueError("the histories have entries of nobody")
    return canonical_csr(matrix)


def _numbers(array: Any, kinds: str) -> Any:
    if array.ndim != 1 or array.dtype.kind not in kinds or not np.isfinite(array).all():
        raise ValueError("the items' counts and means must be lists of finite numbers")
    return array


def check(parts: Parts) -> None:
    """Raise InputError unless ids, factors and histories are of the same users and items.

    One side's factors may be missing: a recommender without them says so where it needs them.
    """
    model = parts.model
    given = present(model)
    if not given:
        raise InputError("the model has no factors")
    ids = (len(parts.catalogue.user_ids), len(parts.catalogue.item_ids))
    rows = {
        name: side.shape(name)[0] for name, side in zip(given, needed(model, *given), strict=True)
    }
    shape = tuple(rows.get(name, count) for name, count in zip(SIDES, ids, strict=True))
    if shape != ids:
        raise InputError(
            f"the factors are of {shape[0]:,} users x {shape[1]:,} items, "
            f"the ids of {ids[0]:,} x {ids[1]:,}"
        )
    if parts.history is not None and parts.history.shape != shape:
        raise InputError(f"the histories must have shape {shape}, got {parts.history.shape}")


def _named_data(archive: dict[str, Any]) -> str | None:
    try:
        return str(json.loads(str(archive[_OLD_NOTE]))["data"])
    except _UNREADABLE:
        return None
