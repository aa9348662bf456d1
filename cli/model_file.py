"""Find the model of a command and read it, with the data that is given beside it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from halfstep.cli.tables import read, words
from halfstep.datasets.tables.options import AS_FOUND, TableOptions
from halfstep.errors import InputError
from halfstep.files import npz_path
from halfstep.progress import stage
from halfstep.progress_task import size
from halfstep.screen import Screen

if TYPE_CHECKING:
    from halfstep.recommender.recommender import Recommender

console = Screen()
log = logging.getLogger("halfstep")
DEFAULT_MODEL = Path("model.npz")


def only_model(given: list[str]) -> Path:
    """Return the model of `recommend [MODEL]`, or raise InputError if there are more words."""
    if len(given) > 1:
        raise InputError(
            f"the order is `halfstep recommend MODEL --user ID`, got {len(given)} arguments: "
            f"{' '.join(given)}"
        )
    return Path(given[0]) if given else DEFAULT_MODEL


def model_and_item(command: str, given: list[str], more: str = "") -> tuple[Path, str]:
    """Return the model and the item of `COMMAND [MODEL] ITEM`; `more` follows in messages.

    Raises
    ------
    InputError
        There is one word and it is a file; there are more than two; or the first of two is no file.
    """
    order = f"the order is `halfstep {command} MODEL ITEM{more}`"
    if len(given) > 2:
        raise InputError(
            f"{order}, got {len(given)} arguments: put quotes around a name that has blanks"
        )
    if len(given) == 2:
        if not _is_file(str(_with_ending(Path(given[0])))):
            raise InputError(f"there is no model '{given[0]}': {order}")
        return _with_ending(Path(given[0])), given[1]
    if _is_file(given[0]) or given[0].endswith(".npz"):
        raise InputError(f"{command} needs an item beside the model '{given[0]}': {order}")
    if not DEFAULT_MODEL.is_file():
        raise InputError(
            f"there is no model '{DEFAULT_MODEL}' here, which is taken where none is given: {order}"
        )
    return DEFAULT_MODEL, given[0]


def load(path: Path, data: str | None, table: TableOptions = AS_FOUND) -> Recommender:
    """Read a model; what users have comes from `data` if it is given, matched by id.

    Raises
    ------
    InputError
        The model or the data cannot be read, they have no user or no item in common, or the model
        carries no ids and no data of its shape is given.
    """
    from halfstep.recommender.archive import NoIds
    from halfstep.recommender.recommender import Recommender

    if data is None and table.any:
        raise InputError(f"{words(table).split()[0]} has no meaning without --data")
    path = _with_ending(path)
    if not _is_file(str(path)):
        raise InputError(f"there is no model '{path}': `halfstep fit` writes one")
    try:
        with stage(f"reading {path.name} ({size(path.stat().st_size)})"):
            loaded = Recommender.load(path)
    except NoIds as error:
        if data is None:
            named = "" if error.fitted_to is None else f" ({error.fitted_to}, if it is unchanged)"
            raise InputError(
                f"{path} carries no ids: give the data that it was fitted to with --data{named}, "
                "or fit again"
            ) from None
        return _with_ids_of(path, data, table)
    if data is None:
        return loaded
    ratings = loaded.model.confidence == "explicit"
    return loaded.with_history(read(console, data, replace(table, ratings=ratings)))


def _with_ids_of(path: Path, data: str, table: TableOptions) -> Recommender:
    """Return a model that carries no ids with those of data, row by row."""
    from halfstep.recommender.recommender import Recommender
    from halfstep.solvers import AlternatingLeastSquares
    from halfstep.solvers.model.factors import present
    from halfstep.solvers.model.held import SIDES

    model, dataset = AlternatingLeastSquares.load(path), read(console, data, table)
    factors = present(model)
    if not factors:
        raise InputError(f"{path} has no factors: it was saved before a fit")
    users, items = (
        len(factors[side]) if side in factors else count
        for side, count in zip(SIDES, dataset.interactions.shape, strict=True)
    )
    if (users, items) != dataset.interactions.shape:
        raise InputError(
            f"{path} was fitted to {users:,} users x {items:,} items, {data} has "
            f"{dataset.users:,} x {dataset.items:,}"
        )
    log.warning(
        "%s carries no ids: its rows are taken to be those of %s, in order; fit again to be sure",
        path, data,
    )  # fmt: skip
    return Recommender(model, dataset)


def _with_ending(path: Path) -> Path:
    """Return the path with the ending that `halfstep fit` adds, where only such a file is there."""
    return npz_path(path) if not _is_file(str(path)) and _is_file(f"{path}.npz") else path


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False
