"""Make the row of somebody new from items by id or name, with their values."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from halfstep.datasets.canonical import canonical_csr
from halfstep.errors import InputError
from halfstep.recommender.catalogue import Catalogue

log = logging.getLogger("halfstep")


def row_of(catalogue: Catalogue, history: Mapping[Any, float] | Iterable[Any]) -> csr_matrix:
    """Return a row (1, items) of a mapping from items to values, or of a list of items.

    In a list, each item has the value that it usually has. Two keys that mean one item are added.

    Raises
    ------
    InputError
        The history is text or empty, none of its items is known, or a value is no finite number.
    """
    if isinstance(history, str | bytes):
        raise InputError(f"history must be a list of items or a mapping to values, got {history!r}")
    values = dict(history) if isinstance(history, Mapping) else None
    items = list(history)
    for item, value in (values or {}).items():
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if not (is_number and math.isfinite(value)):
            raise InputError(f"the value of {item!r} must be a finite number, got {value!r}")
    places = catalogue.places_of(items)
    unknown = [item for item, place in zip(items, places, strict=True) if place < 0]
    if unknown and len(unknown) == len(items):
        raise catalogue.unknown_item(unknown[0])
    if unknown:
        say_unknown(unknown, len(items))
    given = None if values is None else np.array([float(v) for v in values.values()])
    return row_at(catalogue, places, given)


def row_at(
    catalogue: Catalogue,
    places: NDArray[np.int64],
    values: NDArray[np.float64] | None,
    *,
    add: bool = True,
) -> csr_matrix:
    """Return a row (1, items) with entries at `places`, of which those that are -1 are left out.

    Parameters
    ----------
    values
        (places,), None for the items' usual values, each once.
    add
        Whether repeated places are added; otherwise the last one counts.

    Raises
    ------
    InputError
        No place is left.
    """
    known = places >= 0
    if not known.any():
        raise InputError("the history must have at least one item that the model knows, got none")
    columns = places[known]
    if values is None:
        columns = np.unique(columns)
        counts = catalogue.usual[columns]
    else:
        counts = values[known]
        if not add:
            columns, last = np.unique(columns[::-1], return_index=True)
            counts = counts[::-1][last]
    rows = np.zeros(len(columns), np.int64)
    shape = (1, len(catalogue.item_ids))
    return canonical_csr(csr_matrix((counts, (rows, columns)), shape=shape))


def say_unknown(items: list[Any], of: int) -> None:
    """Say how many items of a history the model does not know."""
    first = ", ".join(repr(item) for item in items[:3])
    log.warning(
        "%s of %s items of the history are not known to the model and left out: %s%s",
        f"{len(items):,}", f"{of:,}", first, ", ..." if len(items) > 3 else "",
    )  # fmt: skip
