"""A fit with attributes: what it is given, what its iterations carry along, and what it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from halfstep.errors import InputError
from halfstep.solvers.features.given import (
    as_features,
    check_overlap,
    check_room,
    check_strength,
    strength,
)
from halfstep.solvers.features.of_model import FACTORS, NAMES
from halfstep.solvers.features.prior import Prior
from halfstep.solvers.features.pulled import pulled
from halfstep.solvers.features.ridge import MOST_FACTORISED
from halfstep.solvers.model.factors import assign_both
from halfstep.solvers.problem import Weights
from halfstep.types import Floats

# The ridge where none is asked for, in multiples of the mean lambda of the rows with entries.
# With 10, new items lost .015 of NDCG@10 on hetrec2011-lastfm-2k, and .019 on ncf-ml-1m.
DEFAULT = 1.0


class Features(NamedTuple):
    """One side's attributes as a fit has them.

    Attributes
    ----------
    matrix
        (rows, p) CSR in the factors' dtype.
    fields
        (p,) the name of each column's field, or None.
    encoder
        What encodes other rows in the same way, or None for a plain matrix.
    """

    matrix: sparse.csr_matrix
    fields: Any = None
    encoder: Any = None


Given = Mapping[str, Features]
NOTHING: Given = {}


def taken_features(model: Any, matrix: sparse.csr_matrix, user: Any, item: Any) -> Given:
    """Return the attributes that a fit of a canonical `matrix` is given, checked, by side.

    Raises
    ------
    InputError
        The solver takes none; or `halfstep.solvers.features.given` says what is wrong.
    """
    if user is None and item is None:  # no pass over the entries for a fit without attributes
        return NOTHING
    found: dict[str, Features] = {}
    stored = _stored(matrix)
    for place, (side, value) in enumerate(zip(NAMES, (user, item), strict=True)):
        if value is None:
            continue
        name = NAMES[side]
        if model.kind != "rung":
            raise InputError(f"{model.solver_} takes no side information, got {name}")
        F = as_features(value, matrix.shape[place], name, model.dtype)
        check_room(F, model.factors, name)
        encoder = getattr(value, "encoder", None)
        own = F[:, :-1] if getattr(encoder, "constant", False) else F  # without the column of ones
        check_overlap(own, stored[place], name)
        found[side] = Features(F, getattr(encoder, "fields", None), encoder)
        ridge_of(model, place, np.ones(0), found[side])  # raises for fields that are not there
    return found


def _stored(matrix: sparse.csr_matrix) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return which users and which items of a canonical matrix have entries."""
    by_item = np.bincount(matrix.indices, minlength=matrix.shape[1])
    return np.diff(matrix.indptr) > 0, by_item > 0


def bytes_of(model: Any, entries: int, given: Given) -> int:
    """Return what attributes need more: pulls as entries and as vectors, F, W and its steps."""
    size = np.dtype(model.dtype).itemsize
    wide, total = int(model.factors) * size, 0
    for features in given.values():
        F = features.matrix
        rows, columns = F.shape
        pulls = int(np.count_nonzero(np.diff(F.indptr)))
        total += (
            entries * (size + 4)
            + pulls * (2 * wide + size + 8)
            + 3 * F.nnz * (size + 4)
            + rows * wide
        )
        total += 6 * columns * wide + (8 * columns**2 if columns <= MOST_FACTORISED else 0)
    return total


def check_ridge(value: Any) -> None:
    """Raise InputError unless `value` is None or a `feature_regularization`."""
    if value is not None:
        check_strength(value)


def with_pulls(model: Any, users: Weights, items: Weights) -> tuple[Weights, Weights]:
    """Return both sides with the pulls of the attributes that the fit is given, or as they are."""
    sides = {"user": users, "item": items}
    model._priors = {}
    for place, side in enumerate(NAMES):
        features = model._given.get(side)
        if features is None:
            continue
        weights, F = sides[side], features.matrix
        stored = np.diff(weights.indptr) > 0
        mu = ridge_of(model, place, weights.lam[stored], features)
        W = np.zeros((F.shape[1], model.factors), F.dtype)
        exactly = bool(model.exact_only or getattr(model, "exact", False))
        prior = Prior(F, stored, weights.lam, mu, W, exactly, int(model.num_threads))
        model._priors[side] = prior
        sides[side] = pulled(weights, prior)
    return sides["user"], sides["item"]


def ridge_of(
    model: Any, place: int, lam: npt.NDArray[np.float64], features: Features
) -> npt.NDArray[np.float64]:
    """Return mu (p,) of a side whose rows with entries have the regularisation `lam`."""
    value = model.feature_regularization
    if isinstance(value, list | tuple):
        value = value[place]
    if value is None:
        mean = float(lam.mean()) if len(lam) else 1.0
        value = DEFAULT * (mean or 1.0)
    return strength(value, features.matrix.shape[1], features.fields)


@contextmanager
def given_to(model: Any, given: Given) -> Iterator[None]:
    """Let the model have the attributes of a fit for as long as it lasts."""
    before = model._given, model._priors  # of a fit whose callback asks for weights
    model._given, model._priors = given, {}
    try:
        yield
    finally:
        model._given, model._priors = before


def begin(model: Any, kept: Mapping[str, Floats]) -> None:
    """Let the priors go on from the W of a fit's state, by side, and keep their arrays."""
    for side, prior in model._priors.items():
        prior.reuses = True
        prior.go_on_from(kept.get(side))


def warmed(model: Any, matrix: sparse.csr_matrix, start: Any) -> Any:
    """Return the state of a warm start without what prior means gave to rows without entries.

    The priors go on from the model's W.
    """
    of_fitted(model)
    if not any(getattr(model, name) is not None for name in FACTORS.values()):
        return start
    sides = start.user_factors, start.item_factors
    X, Y = (
        factors if stored.all() else np.where(stored[:, None], factors, factors.dtype.type(0))
        for factors, stored in zip(sides, _stored(matrix), strict=True)
    )
    return start._replace(user_factors=X, item_factors=Y)


def state(model: Any) -> dict[str, Floats]:
    """Return W by side, as the last half-steps of a fit have left it."""
    return {side: prior.W for side, prior in model._priors.items()}


def of_fitted(model: Any) -> None:
    """Give the priors the W that the model was fitted with, where they have its shape."""
    for side, prior in model._priors.items():
        prior.go_on_from(getattr(model, FACTORS[side]))


def complete(model: Any) -> None:
    """End a fit: solve for each W exactly, keep it, and give rows without entries their means."""
    priors = model._priors
    for side, name in FACTORS.items():
        if side not in priors:
            setattr(model, name, None)
    model.feature_encoders_ = {
        side: given.encoder.to_dict()
        for side, given in model._given.items()
        if given.encoder is not None
    }
    if not priors:
        return
    fitted = dict(zip(FACTORS, model._fitted(), strict=True))
    whole = dict(fitted)
    for side, prior in priors.items():
        prior.follow(fitted[side], last=True)
        setattr(model, FACTORS[side], prior.W)
        whole[side] = prior.complete(fitted[side])
    if any(whole[side] is not fitted[side] for side in whole):
        model._forget_derived()
        assign_both(model, whole["user"], whole["item"])
