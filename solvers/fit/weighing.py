"""What a solver's arguments say about weighing: its transform, and then its convention."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Protocol

import numpy.typing as npt
from scipy import sparse

from halfstep.errors import InputError
from halfstep.solvers.fit.tail import Tail, hint, tail_of
from halfstep.solvers.fit.transform import Transform, check_transform, measured, warn_of_full_rows
from halfstep.solvers.fit.weights import weigh
from halfstep.solvers.inputs import check_number
from halfstep.solvers.model.origin import all_assigned
from halfstep.solvers.problem import Weights

log = logging.getLogger("halfstep")

CONFIDENCES = ("implicit", "linear", "log", "binary", "explicit")


class Weighing(Protocol):
    """The attributes of a solver that are used here."""

    transform: str | None
    bm25_k1: float
    bm25_b: float
    confidence: str
    alpha: float
    epsilon: float
    background: float | None
    regularization: float
    regularization_exponent: float
    dtype: npt.DTypeLike
    num_threads: int
    _transform: Transform | None
    _plain: bool
    _transform_of_fit: Transform | None


def check_weighing(values: Mapping[str, Any]) -> None:
    """Raise InputError for an argument of the weighing that breaks its rule or would be ignored."""
    for name in ("regularization", "regularization_exponent", "alpha", "epsilon", "background"):
        if not (name == "background" and values[name] is None):
            check_number(name, values[name])
    check_convention(dict(values))
    check_transform(values)


def weigh_by(
    model: Weighing, transformed: sparse.csr_matrix, dtype: npt.DTypeLike | None = None
) -> Weights:
    """Return the weights that the model's convention gives to values that are transformed already.

    They are in `dtype`, or in that of the model if it is None; so below.
    """
    return weigh(
        transformed,
        confidence=model.confidence,
        alpha=model.alpha,
        epsilon=model.epsilon,
        background=model.background,
        regularization=model.regularization,
        regularization_exponent=model.regularization_exponent,
        dtype=model.dtype if dtype is None else dtype,
        num_threads=int(model.num_threads),
    )


def prepared(model: Weighing, matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the matrix of a fit, with its values transformed; keep the transform for `_keep`.

    A NumericalWarning says which users get no weight; the log, whether the values have a heavy tail.
    """
    model._transform_of_fit = transform_of(model, matrix)
    if model._transform_of_fit is not None:
        warn_of_full_rows(model._transform_of_fit)
    transformed = transformed_by(model, matrix, model._transform_of_fit)
    # It sorts values, which only who reads the log should pay for.
    tail = heavy_tail(model, transformed) if log.isEnabledFor(logging.INFO) else None
    if tail is not None:
        log.info(
            "%s",
            hint(
                tail, "confidence='log'", "transform='bm25'", "regularization=20", "halfstep.tune"
            ),
        )
    return transformed


def heavy_tail(model: Weighing, transformed: sparse.csr_matrix) -> Tail | None:
    """Return the tail of transformed values if it is heavy and the weights grow with the values."""
    if model.confidence not in ("implicit", "linear"):
        return None
    tail = tail_of(transformed.data)
    return tail if tail.heavy else None


def transform_of(model: Weighing, matrix: sparse.csr_matrix) -> Transform | None:
    """Return the model's transform with what it takes from a canonical matrix; None without one."""
    if model.transform is None:
        return None
    return measured(matrix, model.transform, float(model.bm25_k1), float(model.bm25_b))


def transformed_by(
    model: Weighing,
    matrix: sparse.csr_matrix,
    transform: Transform | None,
    side: str = "user",
    dtype: npt.DTypeLike | None = None,
) -> sparse.csr_matrix:
    """Return a canonical matrix's values transformed in the model's dtype; itself without transform."""
    if transform is None:
        return matrix
    kind = model.dtype if dtype is None else dtype
    return transform.apply(matrix, side, kind, int(model.num_threads))


def fitted_transform(model: Weighing) -> Transform | None:
    """Return the transform that the model's factors were fitted with, for new rows; None without one.

    What `set_params` changed since counts from the next fit on.

    Raises
    ------
    InputError
        The model has a transform, but its factors come from no fit of it.
    """
    if model._transform is not None and model.transform is None and all_assigned(model):
        return None  # of factors that are no longer here
    if model._transform is None and model.transform is not None and not model._plain:
        raise InputError(
            f"transform {model.transform!r} weighs new rows by the sums and counts of a fit, and these "
            "factors come from no fit with it: fit the model, or set transform=None"
        )
    return model._transform


def check_convention(values: dict[str, Any]) -> None:
    """Raise InputError for an unknown convention or an argument that the convention would ignore."""
    confidence = values["confidence"]
    if confidence not in CONFIDENCES:
        raise InputError(f"confidence must be one of {', '.join(CONFIDENCES)}, got {confidence!r}")
    background = values["background"]
    if background is not None:
        if confidence != "binary":
            said = f"got {background} with {confidence!r}"
            raise InputError(f"background belongs to confidence 'binary' alone, {said}")
        if background <= 0:
            raise InputError(f"background must be positive, got {background}")
    if confidence in ("binary", "explicit") and values["alpha"] != 1.0:
        raise InputError(
            f"alpha has no meaning with confidence {confidence!r} and must be 1, "
            f"got {values['alpha']}"
        )
    if confidence != "log" and values["epsilon"] != 1.0:
        raise InputError(
            f"epsilon belongs to confidence 'log' alone, got {values['epsilon']} "
            f"with {confidence!r}"
        )
    if values["epsilon"] <= 0:
        raise InputError(f"epsilon must be positive, got {values['epsilon']}")
