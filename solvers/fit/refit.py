"""A fit of a model that has factors already: what it says before, and what is left if it fails.

The model keeps its factors until the first iteration is done, and has those of the last whole iteration
from then on, so that callbacks and checkpoints see them. The factors of before are kept beside them for
the whole fit: one pair more, which was in memory before it began.
"""

from __future__ import annotations

import logging
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from scipy import sparse

from halfstep.errors import FactorsDropped
from halfstep.solvers.model.held import SIDES
from halfstep.solvers.model.origin import note_origin, set_by_hand, sides_of

log = logging.getLogger("halfstep")

# What a fit sets.
_FACTORS = SIDES
_SET = (
    *_FACTORS, "_made", "_fitted_to", "_objective_of", "_transform", "_plain", "_transform_of_fit",
    "loss_history_", "seconds_", "relaxation_", "_gains", "report_", "interrupted_", "_half_reports",
    "_warned_of_ridge", "user_feature_factors", "item_feature_factors", "feature_encoders_",
)  # fmt: skip


def has_factors(model: Any) -> bool:
    """Return whether the model has factors of at least one side."""
    return any(side is not None for side in sides_of(model))


def goes_on(model: Any) -> bool:
    """Return whether a fit of the model starts from the factors that it has."""
    return bool(model.warm_start) and has_factors(model)


def announce_start(model: Any, matrix: sparse.csr_matrix, before: Any) -> None:
    """Say what a fit that draws its start does to the factors that the model has.

    `before` is the `_fitted_to` of the last fit.

    Factors that were set by hand are dropped with a warning. On data of the last fit's shape and row
    lengths, with a seed, the log says that the fit starts anew: on the same data it ends as the last
    one.
    """
    seed, fitted_to = model.random_state, _summary(matrix)
    if has_factors(model) and not goes_on(model) and model.init_factors is None:
        sides = set_by_hand(model)
        if sides:
            warnings.warn(
                f"{' and '.join(sides)} were set by hand (assigned, or stored "
                "by partial_fit), and this fit starts anew without them: "
                "warm_start=True goes on from them, and so does "
                "init_factors=(model.user_factors, model.item_factors)",
                FactorsDropped,
                stacklevel=4,
            )
        elif fitted_to == before and isinstance(seed, int | np.integer):
            log.info(
                "this fit starts anew from random_state=%d, on data of the same size as the last one's: "
                "warm_start=True would go on from its factors",
                seed,
            )
    model._fitted_to = fitted_to


@contextmanager
def kept_if_it_fails(model: Any) -> Iterator[None]:
    """Give the model back what it had if the fit inside fails.

    A model without factors keeps those of the last whole iteration, and so does every model whose fit is
    ended at once by Ctrl-C.
    """
    before = {name: model.__dict__[name] for name in _SET if name in model.__dict__}
    had = has_factors(model)
    try:
        yield
    except BaseException as error:
        unchanged = all(model.__dict__.get(name) is before.get(name) for name in _FACTORS)
        if unchanged or (had and isinstance(error, Exception)):
            model._put_back(before, error)
        else:
            note_origin(model)
        raise
    note_origin(model)


def _summary(matrix: sparse.csr_matrix) -> tuple[tuple[int, int], int]:
    """Return what tells the data of two fits apart: the shape, and a checksum of the rows' lengths."""
    return matrix.shape, zlib.crc32(matrix.indptr.astype(np.int64))
