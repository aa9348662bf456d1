"""Keep finished trials in SQLite through Optuna, so that an interrupted search can be resumed.

A file may hold several searches, each under its own name. A trial is written as it runs, iteration by
iteration. A trial that was cut short is marked as failed when its search is opened again, and runs
anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from halfstep.errors import InputError
from halfstep.evaluation.protocols.part import Part
from halfstep.evaluation.tuning.space import Choice, LogUniform, Space

_RECORD = "halfstep"


@dataclass(frozen=True)
class Trial:
    """One configuration and its result.

    Attributes
    ----------
    params, settings
        The search's choice, and the solver's arguments that follow from it.
    pruned
        Whether the trial was ended early; `value` is then the best value until that time.
    value
        The metric: the mean over users of a user's mean over the parts, after the best iteration.
    error
        Standard error of `value` over users. All trials are evaluated on the same users, so the
        difference of two trials is far more certain than this.
    iterations
        Number of iterations up to the best value (the median over the parts, rounded up).
    seconds, fit_seconds
        Seconds of the trial with its measurements; median seconds of one iteration's two half-steps.
    curve
        The metric after each iteration on the first part.
    """

    number: int
    params: dict[str, Any]
    settings: dict[str, Any]
    pruned: bool
    value: float
    error: float
    iterations: int
    seconds: float
    fit_seconds: float
    curve: list[float]


def missing() -> str | None:
    """Return what to install if Optuna is missing, or None."""
    import importlib.util

    if importlib.util.find_spec("optuna") is None:
        return 'choosing parameters needs optuna: pip install "halfstep[tune]"'
    return None


@contextmanager
def open_study(
    store: Path | None, name: str, space: Space, sampler: Any, pruner: Any
) -> Iterator[Any]:
    """Yield the Optuna study of that name from the file `store`, or in memory; see `space_of`.

    Raises
    ------
    InputError
        Optuna is missing, or the file is not a search's file.
    """
    reason = missing()
    if reason:
        raise InputError(reason)
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = None
    try:
        if store is not None:
            storage = optuna.storages.RDBStorage(f"sqlite:///{store}")
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            load_if_exists=True,
            direction="maximize",
            sampler=sampler,
            pruner=pruner,
        )
    except (SQLAlchemyError, optuna.exceptions.OptunaError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(f"'{store}' cannot be used as a search's file: {first}") from None
    try:
        if "space" not in study.user_attrs:
            study.set_user_attr("space", _written(space))
        # Optuna can only end trials that have begun, so enqueued ones begin here and then fail.
        for _ in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.WAITING]):
            study.ask()
        for cut_short in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
            study.tell(cut_short.number, state=optuna.trial.TrialState.FAIL)
        yield study
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()


def space_of(study: Any) -> Space:
    """Return the space that the study was first opened with, which a resumed search keeps."""
    return {
        name: Choice(tuple(axis["values"])) if "values" in axis else LogUniform(**axis)
        for name, axis in json.loads(study.user_attrs["space"]).items()
    }


def distributions(space: Space) -> dict[str, Any]:
    """Return a space as Optuna's distributions."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return {
        name: CategoricalDistribution(axis.values)
        if isinstance(axis, Choice)
        else FloatDistribution(axis.low, axis.high, log=True)
        for name, axis in space.items()
    }


def record(trial: Any, **facts: Any) -> None:
    """Write a trial's facts: all fields of `Trial` except the number and the parameters."""
    trial.set_user_attr(_RECORD, json.dumps(facts))


def finished(study: Any) -> list[Trial]:
    """Return the study's trials that completed or were pruned, in their order."""
    return [
        Trial(number=t.number, params=dict(t.params), **json.loads(t.user_attrs[_RECORD]))
        for t in study.get_trials(deepcopy=False)
        if t.state.name in ("COMPLETE", "PRUNED") and _RECORD in t.user_attrs
    ]


def fingerprint(parts: Sequence[Part], **settings: Any) -> str:
    """Return 12 hexadecimal digits that name a search: a hash of its data and settings."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for part in parts:
        for matrix in (part.train, part.history, part.test):
            _add(digest, matrix)
        if part.candidates is not None:
            digest.update(b"candidates" + part.candidates.tobytes())
        for side, features in (("user", part.user_features), ("item", part.item_features)):
            if features is not None:
                digest.update(side.encode())
                _add(digest, csr_matrix(getattr(features, "matrix", features)))
    return digest.hexdigest()[:12]


def _add(digest: Any, matrix: csr_matrix) -> None:
    digest.update(np.asarray(matrix.shape, "<i8").tobytes())
    for array in (matrix.indptr, matrix.indices, matrix.data):
        digest.update(np.ascontiguousarray(array).tobytes())


def _written(space: Space) -> str:
    return json.dumps(
        {
            name: {"values": list(axis.values)}
            if isinstance(axis, Choice)
            else {"low": axis.low, "high": axis.high}
            for name, axis in space.items()
        }
    )
